import ArgumentParser

/// Exit codes, those of sysexits and coreutils.
enum ExitStatus: Int32 {
    case functionFailed = 1
    case usage = 64
    case refusedInput = 65
    case unavailable = 69
    case lost = 70
    case overloaded = 75
    case notAuthorized = 77
    case configuration = 78
    case deadlinePassed = 124
}

/// A command could not do its work: what was wrong and what to do, and the code a script sees.
struct CommandFailure: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
