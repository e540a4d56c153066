import FunctionWorker
import Subprocess

/// Runs one worker from start to end and moves its frames and lines. Decides nothing.
struct WorkerProcess: Sendable {
    let manifest: FunctionManifest
    let launch: WorkerLaunch
    let link: WorkerLink
    let onFrame: @Sendable (WorkerFrame) -> Void
    let onLine: @Sendable (String) -> Void

    /// What a worker that closed its stdout has left to end by itself.
    private static let leaveGrace = Duration.seconds(2)

    /// Returns when the process has ended and was reaped; cancelling the task ends it.
    func run() async -> ProcessEnd {
        do {
            let place = try WorkerPlace(self.manifest)
            defer { place.remove() }
            let result = try await Subprocess.run(
                try await self.launch.configuration(place), input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                await self.serve(execution)
            }
            return ProcessEnd(result.terminationStatus)
        } catch let error as WorkerPlace.Failure {
            return .notStarted(error.message)
        } catch let error as SubprocessError {
            return .notStarted(Self.reason(error, self.launch, self.manifest))
        } catch {
            return .notStarted("it could not be run: \(error)")
        }
    }

    private enum Stream {
        case input, output, lines, grace
    }

    /// Until both outputs have ended: a worker that closes one of them is not gone yet.
    private func serve(_ execution: Execution<CustomWriteInput, SequenceOutput, SequenceOutput>) async {
        guard self.link.started(execution.processIdentifier.value) else { return self.link.ended() }
        await withTaskGroup(of: Stream.self) { group in
            group.addTask {
                await self.write(to: execution.standardInputWriter)
                return .input
            }
            group.addTask {
                await self.readLines(execution.standardError)
                return .lines
            }
            group.addTask {
                await self.readFrames(execution.standardOutput)
                // Without its stdout a worker can no longer answer; the writer must not wait for it either.
                self.link.finish()
                return .output
            }
            var open: Set<Stream> = [.output, .lines]
            while !open.isEmpty, let ended = await group.next() {
                open.remove(ended)
                guard ended == .output, !open.isEmpty else { continue }
                // Something that it started may hold its stderr open, or it does not care: it ends all the same.
                group.addTask {
                    guard (try? await Task.sleep(for: Self.leaveGrace)) != nil else { return .grace }
                    self.link.kill(because: "it closed its stdout")
                    return .grace
                }
            }
            group.cancelAll()
        }
        await self.link.leave(within: Self.leaveGrace)
    }

    private func write(to writer: StandardInputWriter) async {
        for await frame in self.link.outbox {
            // A write that fails or ends early means that the process is gone: its exit says the rest.
            guard let written = try? await writer.write(frame), written == frame.count else { return }
        }
        // Closing twice or after the exit is harmless.
        try? await writer.finish()
    }

    private func readFrames(_ output: SubprocessOutputSequence) async {
        var decoder = FrameDecoder()
        do {
            for try await buffer in output {
                decoder.append(buffer.bytes)
                while let frame = try decoder.next() { self.onFrame(try WorkerFrame(frame)) }
            }
        } catch let failure as FrameDecoder.Failure {
            self.refuse(failure.message)
        } catch let error as FrameError {
            self.refuse(error.message)
        } catch {
            // The pipe broke: the exit of the process tells why.
            return
        }
    }

    /// The stream cannot be trusted any more: the worker is killed, its calls end as lost.
    private func refuse(_ message: String) {
        self.onLine("worker protocol: \(message)")
        self.link.kill()
    }

    private func readLines(_ output: SubprocessOutputSequence) async {
        var splitter = LineSplitter()
        do {
            for try await buffer in output {
                let lines = unsafe buffer.withUnsafeBytes { unsafe splitter.append($0) }
                for line in lines { self.onLine(line) }
            }
        } catch {
            self.onLine("stderr could not be read: \(error)")
        }
        if let rest = splitter.finish() { self.onLine(rest) }
    }

    static func reason(_ error: SubprocessError, _ launch: WorkerLaunch, _ manifest: FunctionManifest) -> String {
        switch error.code {
        case .executableNotFound: "the executable \(launch.executable) was not found"
        case .failedToChangeWorkingDirectory: "its folder \(manifest.folder) cannot be entered"
        default: "\(launch.executable) could not be run: \(error)"
        }
    }
}
