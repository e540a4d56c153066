import ArgumentParser
import Logging

struct LoggingOptions: ParsableArguments {
    @Option(help: "Least important log lines to write to stderr: trace, debug, info, notice, warning or error.")
    var logLevel = LogLevel.info

    @Option(help: "How log lines are written: text or json.")
    var logFormat = LogFormat.text

    func logger(_ label: String) -> Logger {
        let format = self.logFormat
        var logger = Logger(label: label) { label -> any LogHandler in
            switch format {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = self.logLevel.level
        return logger
    }
}

enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
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
