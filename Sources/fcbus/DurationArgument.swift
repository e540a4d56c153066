import ArgumentParser
import BusServer

/// A duration with its unit on the command line: `500ms`, `2s`, `1m`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration
    let defaultValueDescription: String

    init?(argument: String) {
        guard let milliseconds = Quantity.milliseconds(argument), milliseconds > 0 else { return nil }
        self.duration = .milliseconds(milliseconds)
        self.defaultValueDescription = argument
    }

    init(seconds: Int) {
        self.duration = .seconds(seconds)
        self.defaultValueDescription = "\(seconds)s"
    }
}
