import Subprocess

/// Runs one worker from start to end and moves its frames and lines. Decides nothing.
struct WorkerProcess: Sendable {
    let launch: WorkerLaunch
    let link: WorkerLink
    let onFrame: @Sendable (WorkerFrame) -> Void
    let onLine: @Sendable (String) -> Void

    /// Returns when the process has ended and was reaped; cancelling the task ends it.
    func run() async -> ProcessEnd {
        do {
            let result = try await Subprocess.run(
                try await self.launch.configuration(), input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                await self.serve(execution)
            }
            return ProcessEnd(result.terminationStatus)
        } catch let error as SubprocessError {
            return .notStarted(Self.reason(error, self.launch))
        } catch {
            return .notStarted("it could not be run: \(error)")
        }
    }

    private func serve(_ execution: Execution<CustomWriteInput, SequenceOutput, SequenceOutput>) async {
        if self.link.started(execution.processIdentifier.value) {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.write(to: execution.standardInputWriter) }
                group.addTask { await self.readLines(execution.standardError) }
                await self.readFrames(execution.standardOutput)
                // Without its stdout a worker can no longer answer; the writer must not wait for it either.
                self.link.finish()
            }
        }
        self.link.ended()
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

    static func reason(_ error: SubprocessError, _ launch: WorkerLaunch) -> String {
        switch error.code {
        case .executableNotFound: "the executable \(launch.executable) was not found"
        case .failedToChangeWorkingDirectory: "its folder \(launch.folder) cannot be entered"
        default: "\(launch.executable) could not be run: \(error)"
        }
    }
}
