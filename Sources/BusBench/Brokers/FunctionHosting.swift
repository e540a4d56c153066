import Foundation

/// A broker with the function host: how the two are started to run one function that answers with what it gets.
package struct FunctionHosting: Sendable {
    package enum Way: Sendable {
        /// `fcbus up`: one process, with no socket between broker and host.
        case together(BrokerRecipe)
        /// The broker, and `fcbus host` beside it as its client over libmosquitto.
        case apart(BrokerRecipe)
    }

    package let way: Way
    /// This program.
    private let binary: String

    package init(_ way: Way, binary: String) {
        self.way = way
        self.binary = binary
    }

    /// In how many ways a contender can have the function host beside it.
    ///
    /// - Parameter binary: this program.
    package static func ways(of contender: Contender, binary: String) -> [Contender] {
        guard case .started(let recipe) = contender else { return [contender] }
        let ways: [Way] = recipe.keepsCalls ? [.together(recipe), .apart(recipe)] : [.apart(recipe)]
        return ways.map { .hosted(FunctionHosting($0, binary: binary)) }
    }

    package var name: String {
        switch self.way {
        case .together: "fcbus up"
        case .apart(let recipe): recipe.keepsCalls ? "broker, host" : "\(recipe.name), host"
        }
    }

    var recipe: BrokerRecipe {
        switch self.way {
        case .together(let recipe), .apart(let recipe): recipe
        }
    }

    func writeFunction(of workload: Workload, to folder: MeasurementFolder) throws {
        let name = CallNames.function
        let handler =
            switch workload.runtime {
            case .python3: "index.handler"
            case .swift: "[\"\(self.binary)\", bench-worker]"
            case .exec: "cat"
            }
        let count = workload.instances
        // Started before the first call, and never sent away: what is measured is a warm call.
        _ = try folder.write(
            """
            service: \(name.service)
            function: \(name.function)
            runtime: \(workload.runtime.rawValue)
            handler: \(handler)
            workers: { min: \(workload.runtime == .exec ? 0 : count), max: \(count) }

            """, to: "echo/function.yaml")
        if workload.runtime == .python3 {
            _ = try folder.write("def handler(event, context):\n    return event\n", to: "echo/index.py")
        }
    }

    func startHost(_ functions: MeasurementFolder, port: Int) throws -> ServerProcess {
        let arguments = ["host", functions.url.path, "--broker", "mqtt://127.0.0.1:\(port)"]
        let host = try ServerProcess(self.binary, arguments, in: functions.url)
        guard host.awaitReadyLine() else {
            host.end()
            throw BenchFailure("the function host did not get ready on port \(port)")
        }
        return host
    }
}
