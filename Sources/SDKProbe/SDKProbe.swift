import CMosquittoLoad
import Foundation
import FunctionBus

/// What the SDK adds to libmosquitto: the same calls and messages, once by a C program and once by `FunctionBus`, both
/// ends in this process, so that its processor time is that of a client and nothing else.
@main
enum SDKProbe {
    static let rounds = 3

    static func main() async throws {
        guard let binary = CommandLine.arguments.dropFirst().first else {
            print("SDKProbe FCBUS [COUNT [bare|bus [WINDOW]]]")
            exit(64)
        }
        let arguments = Array(CommandLine.arguments.dropFirst(2))
        let count = arguments.first.flatMap { Int($0) } ?? 20_000
        let side = arguments.dropFirst().first
        let window = arguments.dropFirst(2).first.flatMap { Int($0) }
        let broker = try BrokerUnderneath(binary)
        defer { broker.stop() }
        guard let bare = unsafe cload_open(Int32(broker.port)) else {
            print("the C program finds no broker on port \(broker.port)")
            exit(69)
        }
        defer { unsafe cload_close(bare) }
        let heading = [("of each call or message", 32), ("libmosquitto", 49), ("FunctionBus", 49), ("ratio", 0)]
        print(heading.map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }.joined())
        try await Load.with(broker: "mqtt://127.0.0.1:\(broker.port)") { load in
            for work in Work.all where window == nil || work.window == window {
                var theirs: [Cost] = []
                var ours: [Cost] = []
                let count = work.window == 1 ? count / 8 : count
                for _ in 0..<Self.rounds {
                    if side != "bus" { theirs.append(try Cost.of(count) { try unsafe work.run(bare, count: count) }) }
                    if side != "bare" {
                        ours.append(try await Cost.of(count) { try await work.run(load, count: count) })
                    }
                }
                print(work.row(Cost.median(theirs), Cost.median(ours)))
                _ = fflush(nil)
            }
        }
    }
}

/// One kind of traffic.
struct Work {
    enum Kind { case call, message }

    var kind: Kind
    /// As many at a time.
    var window: Int

    static let all = [
        Work(kind: .call, window: 1), Work(kind: .call, window: 16), Work(kind: .call, window: 64),
        Work(kind: .message, window: 500),
    ]

    private var name: String {
        switch self.kind {
        case .call: "calls, \(self.window) in flight"
        case .message: "messages of QoS 0, bursts of \(self.window)"
        }
    }

    func run(_ load: OpaquePointer, count: Int) throws {
        let isDone =
            switch self.kind {
            case .call: unsafe cload_calls(load, Int32(count), Int32(self.window))
            case .message: unsafe cload_messages(load, Int32(count), Int32(self.window))
            }
        guard isDone != 0 else { throw Unfinished() }
    }

    func run(_ load: Load, count: Int) async throws {
        switch self.kind {
        case .call: try await load.calls(count, window: self.window)
        case .message: try await load.messages(count, burst: self.window)
        }
    }

    func row(_ theirs: Cost, _ ours: Cost) -> String {
        let ratio = String(format: "%.2f", ours.processorMicroseconds / theirs.processorMicroseconds)
        return "\(self.name.padding(toLength: 32, withPad: " ", startingAt: 0))\(theirs.text)  \(ours.text)  \(ratio)"
    }

    /// Something was lost.
    struct Unfinished: Error {}
}
