import BusCore
import BusSession
import Testing

/// How bytes are cut into reads, and when what is written is taken, is the network's and the driver's affair: nobody
/// else may see it.
@Suite("Batching")
struct BatchingTests {
    @Test("What a client is sent does not depend on how the input is cut into reads", arguments: 1...12)
    func anyBatches(_ seed: Int) {
        let world = World(seed: UInt64(seed) << 16) { terms in
            // A full buffer stops messages, and when it is full depends on when it is emptied.
            terms.limits.session.outboundBytesMax = 1 << 30
            terms.authenticates = false
            terms.clientCount = 8
            terms.stepCount = 400
        }
        world.recording = Recording()
        world.run()
        #expect(world.problem == nil)
        let replays = Replay.Reading.allCases.map { reading in
            let replay = Replay(reading, limits: world.terms.limits)
            if let recording = world.recording { replay.run(recording) }
            return replay
        }
        let byteCount = replays[0].sent.values.reduce(0) { $0 + $1.count }
        #expect(byteCount > 200, "too little happened")
        for replay in replays.dropFirst() {
            #expect(replay.sent == replays[0].sent, "\(replay.reading)")
            #expect(replay.events == replays[0].events, "\(replay.reading)")
            #expect(replay.broker.statistics == replays[0].broker.statistics, "\(replay.reading)")
        }
    }
}
