import BusContract
import BusTopics

/// One line of a policy: some clients may do something, or may not.
package struct AccessRule: Sendable {
    package enum Effect: Hashable, Sendable {
        case allow
        /// Wins over every `allow`.
        case deny
    }

    package enum Right: Sendable {
        case publish(TopicPattern)
        case subscribe(TopicPattern)
        /// Calling a function in any way, cancelling included.
        case call(FunctionPattern)
        /// Being an instance of a function: taking its calls, announcing itself, describing the function.
        case serve(FunctionPattern)
        /// An administrator's: all of the above, the platform's own functions and everybody's topics included.
        case everything
    }

    let subjects: AccessSubjects
    let effect: Effect
    let right: Right

    package init(_ subjects: AccessSubjects, _ effect: Effect, _ right: Right) {
        self.subjects = subjects
        self.effect = effect
        self.right = right
    }
}

extension AccessRule.Right {
    /// - Throws: also for topics that call functions: a rule for these is about functions, and would be void here.
    package static func publish(to pattern: String) throws(AccessFailure) -> Self {
        let topics = try TopicPattern(pattern)
        if CallSpace.functionCalled(through: topics.shape) != nil {
            throw AccessFailure(
                "'\(pattern)': who may call functions is said by `call`, such as `call: [EdgeFC/hello]`, not by topics")
        }
        return .publish(topics)
    }

    /// - Throws: also for a filter by which functions are served.
    package static func subscribe(to pattern: String) throws(AccessFailure) -> Self {
        let topics = try TopicPattern(pattern)
        if case .instance(let function) = CallFilter.role(of: topics.shape) {
            throw AccessFailure(
                "'\(pattern)': who may serve functions is said by `serve`, such as `serve: [\(function)]`, not by topics"
            )
        }
        return .subscribe(topics)
    }

    package static func call(of pattern: String) throws(AccessFailure) -> Self { .call(try FunctionPattern(pattern)) }
    package static func serve(of pattern: String) throws(AccessFailure) -> Self { .serve(try FunctionPattern(pattern)) }
}
