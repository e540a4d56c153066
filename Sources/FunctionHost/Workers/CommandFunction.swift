import Logging
import Subprocess

/// A function that is a command: run once per call, payload on stdin, reply on stdout.
///
/// Exit code 0 answers with what was printed; any other is the handler's failure, with the end of stderr as message.
final class CommandFunction: HostedFunction {
    let manifest: FunctionManifest
    private let launch: WorkerLaunch
    private let log: FunctionLog
    private let registry: ProcessRegistry
    private let gate: CommandGate
    private let places: CommandPlaces

    /// What a command that closed its outputs has left to end by itself.
    private static let leaveGrace = Duration.seconds(2)
    /// How much of stderr goes into the message of a failure.
    private static let messageLinesMax = 5

    init(_ manifest: FunctionManifest, _ launch: WorkerLaunch, log: FunctionLog, in host: HostSurroundings) {
        self.manifest = manifest
        self.launch = launch
        self.log = log
        self.registry = host.registry
        self.places = CommandPlaces(host.budget)
        self.gate = CommandGate(slots: manifest.capacity)
    }

    /// Every call starts the command anew: there is nothing to load before.
    func prepare() async {}

    /// A command lives in the task of its call; what goes on between calls is the sharing of places.
    func run() async {
        await self.places.run()
    }

    func drain(within limit: Duration) async {
        if self.gate.close() { self.places.close() }
    }

    func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply {
        let address = self.manifest.address
        switch self.gate.enter() {
        case .closed: throw .draining(address)
        case .full(let running): throw .overloaded(address, waiting: running)
        case .entered(let run):
            defer { if self.gate.leave() { self.places.close() } }
            return try await self.execute(request, run: run)
        }
    }

    private func execute(_ request: HostedCall, run: Int) async throws(CallFailure) -> HostedReply {
        let address = self.manifest.address
        let limit = min(request.remaining ?? self.manifest.timeout, self.manifest.timeout)
        let link = WorkerLink(self.manifest, self.registry)
        let outcome = await withTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                guard await self.places.take() else { return .noPlace }
                defer { self.places.release() }
                return await self.start(request, limit: limit, run: run, link)
            }
            group.addTask {
                guard (try? await Task.sleep(for: limit)) != nil else { return nil }
                return .late
            }
            var first = await group.next() ?? nil
            // The sleep returns nothing when the surrounding task was cancelled: then the command decides.
            if first == nil { first = await group.next() ?? nil }
            group.cancelAll()
            guard first == .late else { return first ?? .late }
            link.kill()
            return await group.next() == .noPlace ? .noPlace : .late
        }
        let tail = self.log.takeTail(of: run)
        switch outcome {
        case .noPlace where Task.isCancelled: throw .cancelled(address, executed: .none)
        case .noPlace: throw self.told(.deadline(address, executed: .none), request)
        case .late where limit < self.manifest.timeout: throw self.told(.deadline(address, executed: .maybe), request)
        case .late: throw self.told(.executionTimeout(address, self.manifest.timeout), request)
        case .tooLong: throw self.told(.replyTooLarge(address, limit: self.manifest.limits.outputBytes), request)
        case .ended(.notStarted(let reason), _): throw .couldNotStart(address, reason)
        case .ended(.exited(0), let output):
            return HostedReply(payload: output, status: output.isEmpty ? 204 : 200)
        case .ended(let end, _):
            if Task.isCancelled { throw .cancelled(address, executed: .maybe) }
            if let reason = link.killReason { throw self.told(.workerLost(address, reason), request) }
            let words = tail.suffix(Self.messageLinesMax).joined(separator: "\n")
            self.log.tell("the command failed: \(end.text)", call: request.requestIdentifier)
            throw .handlerError(words.isEmpty ? end.text : words, errorType: "ExitCode", stackTrace: [end.text])
        }
    }

    private func told(_ failure: CallFailure, _ request: HostedCall) -> CallFailure {
        self.log.tell("\(failure)", call: request.requestIdentifier)
        return failure
    }

    private enum Outcome: Equatable, Sendable {
        case ended(ProcessEnd, [UInt8])
        case tooLong
        case late
        /// It ended before there was a place for the command.
        case noPlace
    }

    private func start(_ request: HostedCall, limit: Duration, run: Int, _ link: WorkerLink) async -> Outcome {
        var launch = self.launch
        launch.environment.merge(Self.environment(request, limit)) { _, ours in ours }
        do {
            let place = try WorkerPlace(self.manifest)
            defer { place.remove() }
            let result = try await Subprocess.run(
                try await launch.configuration(place), input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                guard link.started(execution.processIdentifier.value) else { return [UInt8]?.some([]) }
                // A cancelled call still reads to the end of the command: meanwhile that is asked to end, and killed
                // when it does not.
                return await Task {
                    let output = await self.exchange(execution, request, run: run)
                    await link.leave(within: Self.leaveGrace)
                    return output
                }.value
            }
            guard let output = result.closureResult else { return .tooLong }
            return .ended(ProcessEnd(result.terminationStatus), output)
        } catch let error as WorkerPlace.Failure {
            return .ended(.notStarted(error.message), [])
        } catch let error as SubprocessError {
            return .ended(.notStarted(WorkerProcess.reason(error, launch, self.manifest)), [])
        } catch {
            return .ended(.notStarted("it could not be run: \(error)"), [])
        }
    }

    /// - Returns: What the command printed; `nil` when that is too long.
    private func exchange(
        _ execution: Execution<CustomWriteInput, SequenceOutput, SequenceOutput>, _ request: HostedCall, run: Int
    ) async -> [UInt8]? {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // A command need not read its input: a broken pipe is no failure.
                _ = try? await execution.standardInputWriter.write(request.payload)
                try? await execution.standardInputWriter.finish()
            }
            group.addTask { await self.readLines(execution.standardError, request, run: run) }
            var output: [UInt8] = []
            do {
                for try await buffer in execution.standardOutput {
                    guard output.count + buffer.count <= self.manifest.limits.outputBytes else {
                        try? execution.send(signal: .kill, toProcessGroup: true)
                        return nil
                    }
                    unsafe buffer.withUnsafeBytes { unsafe output.append(contentsOf: $0) }
                }
            } catch {
                self.log.logger.error("stdout could not be read: \(error)")
            }
            return output
        }
    }

    private func readLines(_ output: SubprocessOutputSequence, _ request: HostedCall, run: Int) async {
        var splitter = LineSplitter()
        do {
            for try await buffer in output {
                let lines = unsafe buffer.withUnsafeBytes { unsafe splitter.append($0) }
                for line in lines { self.log.line(line, worker: run, call: request.requestIdentifier) }
            }
        } catch {
            self.log.logger.error("stderr could not be read: \(error)")
        }
        if let rest = splitter.finish() { self.log.line(rest, worker: run, call: request.requestIdentifier) }
    }

    private static func environment(_ request: HostedCall, _ limit: Duration) -> [String: String] {
        var environment = [
            "FCBUS_REQUEST_ID": request.requestIdentifier, "FCBUS_TIMEOUT_MS": "\(limit.milliseconds)",
            "FCBUS_ATTEMPT": "\(request.attempt)",
        ]
        environment["FCBUS_CONTEXT"] = request.context
        environment["FCBUS_CALLER"] = request.caller
        environment["FCBUS_TASK"] = request.task
        environment["CONTENT_TYPE"] = request.contentType
        environment["TRACEPARENT"] = request.trace?.parent
        // No variable may hold a null character; such a value is not passed on.
        return environment.filter { !$0.value.utf8.contains(0) }
    }
}
