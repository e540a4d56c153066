/// Counts network connections, in all and of each address, and says whether one more may come.
///
/// Invariant: an address is in `ofAddress` exactly while it has connections; connections without an address, those of
/// Unix sockets, count in `total` only.
struct Admission: Sendable {
    private(set) var total = 0
    private var ofAddress: [String: Int] = [:]

    mutating func admit(_ address: String, limits: BrokerLimits) -> Bool {
        guard self.total < limits.connectionsMax else { return false }
        if !address.isEmpty {
            guard self.ofAddress[address, default: 0] < limits.connectionsPerAddressMax else { return false }
            self.ofAddress[address, default: 0] += 1
        }
        self.total += 1
        return true
    }

    mutating func leave(_ address: String) {
        self.total -= 1
        guard let count = self.ofAddress[address] else { return }
        self.ofAddress[address] = count > 1 ? count - 1 : nil
    }
}
