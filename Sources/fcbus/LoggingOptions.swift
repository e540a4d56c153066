import ArgumentParser
import Logging

struct LoggingOptions: ParsableArguments {
    @Option(help: "Least important log lines to write to stderr: trace, debug, info, notice, warning or error.")
    var logLevel = LogLevel.info

    func logger(_ label: String) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = self.logLevel.level
        return logger
    }
}

enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case trace, debug, info, notice, warning, error

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}
