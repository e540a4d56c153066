/// Why a store cannot be opened, read or checked, with what to do about it.
package struct StoreFailure: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// Another process has it open.
        case inUse
        /// A later version of the program wrote it.
        case tooNew
        /// The file is something else, or of somebody else.
        case foreign
        case damaged
        /// The system refused a file operation: rights, a full disk, a missing directory.
        case notAccessible
    }

    package let kind: Kind
    /// One or two sentences: what was attempted, with what, why it failed, how to go on.
    package let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// Damage is told in one form everywhere: nothing was changed, and there are three ways on.
    static func damaged(_ file: String, _ reason: String) -> StoreFailure {
        let directory = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return StoreFailure(
            .damaged,
            "\(file) is damaged (\(reason)) and was left as it is: put a copy back, save what can be read with"
                + " `fcbus check --repair --data-dir \(directory)`, or move the directory away to begin with an empty one"
        )
    }

    /// What SQLite said while `attempt` was under way.
    static func from(_ failure: SQLiteFailure, _ attempt: String, file: String) -> StoreFailure {
        switch failure.reason {
        case .damaged: return .damaged(file, failure.message)
        case .full:
            return StoreFailure(.notAccessible, "\(attempt) \(file): the disk is full; make room and start again")
        case .other:
            return StoreFailure(.notAccessible, "\(attempt) \(file): \(failure.message)")
        }
    }
}
