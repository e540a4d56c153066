import BusCore
import BusStore
import BusTestKit
import Glibc

/// A process that the store's tests can kill, and that measures the store on the disk it is pointed at.
@main
enum StoreProbe {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard let command = arguments.first, let directory = arguments.dropFirst().first else {
            return Self.end("StoreProbe append DIR SEED | measure DIR | fill DIR DELIVERIES SESSIONS | load DIR")
        }
        let numbers = arguments.dropFirst(2).compactMap { Int($0) }
        do throws(StoreFailure) {
            switch (command, numbers.count) {
            case ("append", 1): try Self.append(to: directory, seed: UInt64(numbers[0]))
            case ("measure", 0): try Measurement.commits(in: directory)
            case ("fill", 2): try Measurement.fill(directory, deliveries: numbers[0], sessions: numbers[1])
            case ("load", 0): try Measurement.load(directory)
            default: Self.end("unknown command")
            }
        } catch {
            Self.end(error.description)
        }
    }

    /// Appends the script's changes for as long as it lives, and says on standard output what is committed.
    private static func append(to directory: String, seed: UInt64) throws(StoreFailure) {
        var options = StoreOptions()
        // Small, so that a run of a few hundred milliseconds sees the log written back many times.
        options.logPagesMax = 60
        let store = try BusStore.open(directory: directory, options: options) { result in
            if case .committed(let number) = result { Self.say("\(number)\n") }
        }
        var script = StoreScript(seed: seed)
        var number: UInt64 = 0
        while true {
            number += 1
            store.append(script.next(), number: number)
            if number.isMultiple(of: 64) || store.backlogBytes > 100_000 { usleep(300) }
        }
    }

    /// One write without a buffer: what was said is out, whatever happens next.
    static func say(_ text: String) {
        _ = unsafe write(1, text, text.utf8.count)
    }

    private static func end(_ text: String) {
        _ = unsafe write(2, text + "\n", text.utf8.count + 1)
        exit(64)
    }
}
