import ArgumentParser
import FunctionWorker

/// The function in Swift that `fcbus bench hosted` calls; started by the function host, never by people.
struct BenchWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-worker", abstract: "A worker that answers with what it gets.", shouldDisplay: false)

    func run() {
        FunctionWorker.run { call, _ in WorkerReply(call.payload, contentType: call.contentType) }
    }
}
