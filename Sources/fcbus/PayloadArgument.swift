import ArgumentParser
import Foundation
import FunctionBus

/// A payload on the command line: the text itself, `-` for stdin, `@FILE` for a file's content.
struct PayloadArgument: ExpressibleByArgument {
    private let argument: String

    init(argument: String) {
        self.argument = argument
    }

    func read() throws -> Payload {
        if self.argument == "-" { return Payload([UInt8](FileHandle.standardInput.readDataToEndOfFile())) }
        guard self.argument.hasPrefix("@") else { return Payload(self.argument) }
        let path = String(self.argument.dropFirst())
        do {
            return Payload([UInt8](try Data(contentsOf: URL(filePath: path))))
        } catch {
            throw CommandFailure(.usage, "cannot read the payload from \(path): \(error.localizedDescription)")
        }
    }
}
