/// What one scrypt run costs: time grows with rounds × block size × parallelism, memory with rounds × block size.
package struct ScryptCost: Hashable, Sendable, CustomStringConvertible {
    /// `ln`: the binary logarithm of the number of rounds.
    package let roundsLog2: Int
    /// `r`, in units of 128 bytes.
    package let blockSize: Int
    /// `p`.
    package let parallelism: Int

    /// 32 MiB and about 140 ms on a small gateway.
    package static let standard = ScryptCost(unchecked: 15, 8, 1)

    /// Returns `nil` for what scrypt does not define and for what would let one login take more than 256 MiB or eight
    /// times the standard's time.
    package init?(roundsLog2: Int, blockSize: Int, parallelism: Int) {
        guard (1...20).contains(roundsLog2), (1...16).contains(blockSize), (1...16).contains(parallelism),
            // RFC 7914 section 2: N is less than 2^(128 r / 8).
            roundsLog2 < 16 * blockSize, (1 << roundsLog2) * blockSize * parallelism <= 1 << 21
        else { return nil }
        self.init(unchecked: roundsLog2, blockSize, parallelism)
    }

    private init(unchecked roundsLog2: Int, _ blockSize: Int, _ parallelism: Int) {
        self.roundsLog2 = roundsLog2
        self.blockSize = blockSize
        self.parallelism = parallelism
    }

    /// As PHC strings write it.
    package var description: String { "ln=\(self.roundsLog2),r=\(self.blockSize),p=\(self.parallelism)" }
}
