import Foundation
import FunctionBus
import Testing

/// The commands that a page shows with what they print: a fenced block whose first line starts with `$ `.
struct PageCommands {
    struct Command: Sendable {
        var text: String
        var printed: [String] = []

        /// As in a shell: the next one does not wait for it.
        var isInBackground: Bool { self.text.hasSuffix(" &") }
    }

    struct Block: Sendable, CustomTestStringConvertible {
        var commands: [Command] = []

        var testDescription: String { self.commands.first?.text ?? "" }
    }

    /// The blocks of a page of this project, which is named from its root.
    static func blocks(of page: String) -> [Block] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        // A page that cannot be read has no blocks, which the tests look for.
        let text = (try? String(contentsOf: root.appending(path: page), encoding: .utf8)) ?? ""
        return text.components(separatedBy: "\n```").enumerated().compactMap { number, part in
            number.isMultiple(of: 2) ? nil : Self.block(part)
        }
    }

    private static func block(_ text: String) -> Block? {
        // Behind the fence may stand a language.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
        guard lines.first?.hasPrefix("$ ") == true else { return nil }
        return Block(
            commands: lines.reduce(into: []) { commands, line in
                if line.hasPrefix("$ ") {
                    commands.append(Command(text: String(line.dropFirst(2))))
                } else if !line.isEmpty {
                    commands[commands.count - 1].printed.append(String(line))
                }
            })
    }

    /// Whether a line is what the page shows; `…` stands for anything.
    static func fits(_ line: String, _ shown: String) -> Bool {
        let parts = shown.components(separatedBy: "…")
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return line == shown }
        guard line.hasPrefix(first), line.hasSuffix(last), line.count >= first.count + last.count else { return false }
        var rest = line.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.range(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }

    let port: Int
    let binary: String
    /// Tells when a command in the background is there.
    let bus: FunctionBus

    /// Runs the block and compares what it prints, in any order: its commands run side by side.
    func run(_ block: Block) async throws {
        var waiting: [RunningCommand] = []
        var printed: [String] = []
        for command in block.commands {
            let before = command.isInBackground ? try await self.subscriptionCount() : 0
            let running = try RunningCommand(
                "bash", ["-c", "exec 2>&1; " + self.adapted(command.text)],
                environment: ["FCBUS_BROKER": "mqtt://127.0.0.1:\(self.port)"])
            guard command.isInBackground else {
                _ = try await running.exitCode(timeout: 30)
                printed += running.lines
                continue
            }
            waiting.append(running)
            for _ in 0..<1000 where try await self.subscriptionCount() == before {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        for running in waiting {
            _ = try await running.exitCode(timeout: 30)
            printed += running.lines
        }
        for shown in block.commands.flatMap(\.printed) {
            guard let found = printed.firstIndex(where: { Self.fits($0, shown) }) else {
                Issue.record("the page shows \(shown)\nbut there is only \(printed.joined(separator: "\n"))")
                continue
            }
            printed.remove(at: found)
        }
        #expect(printed == [], "printed, and not shown on the page")
    }

    /// The page speaks of the usual port and of a binary that was built for use.
    private func adapted(_ text: String) -> String {
        (text.hasSuffix(" &") ? String(text.dropLast(2)) : text)
            .replacingOccurrences(of: ".build/release/fcbus", with: self.binary)
            .replacing(/mosquitto_(rr|pub|sub)/) { "\($0.output.0) -p \(self.port)" }
    }

    private func subscriptionCount() async throws -> Int {
        let stats = try await self.bus.call(FunctionName(systemOperation: "stats")).text ?? ""
        let counts = stats.matches(of: /"(?:s|sharedS)ubscriptions":(\d+)/).compactMap { Int($0.output.1) }
        return counts.reduce(0, +)
    }
}
