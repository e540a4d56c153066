import Testing

/// The call table under everything at once; the seed is all that is needed to see a failure again.
@Suite("Call simulation")
struct CallSimulationTests {
    @Test(
        "Whatever clients do, every call ends once, nobody gets more than it takes, and nothing is left",
        arguments: 1...12)
    func anything(_ seed: Int) throws {
        let simulation = try CallSimulation(seed: UInt64(seed))
        for step in 0..<1_200 {
            try simulation.step()
            if let problem = simulation.problem {
                Issue.record("seed \(seed), step \(step): \(problem)")
                return
            }
        }
        simulation.finish()
        #expect(simulation.problem == nil, "seed \(seed), at the end")
        #expect(simulation.admitted > 300 && simulation.replays > 5, "seed \(seed) shows too little")
    }

    @Test("The same seed leads to the same end")
    func replayable() throws {
        var ends: [String] = []
        for _ in 0..<2 {
            let simulation = try CallSimulation(seed: 99)
            for _ in 0..<500 { try simulation.step() }
            ends.append("\(simulation.admitted) \(simulation.ended) \(simulation.replays) \(simulation.now)")
        }
        #expect(ends[0] == ends[1])
    }
}
