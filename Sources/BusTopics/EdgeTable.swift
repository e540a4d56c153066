/// The edges of a trie in one table: (parent node, level) to child node.
///
/// Why one table: a dictionary in each node costs more than the node, and most nodes have one child. Open addressing
/// with linear probing, at most 3/4 full, removal by moving up; 12 bytes an edge.
struct EdgeTable: Sendable {
    private struct Edge: Sendable {
        var parent: UInt32
        var level: UInt32
        /// `EdgeTable.none` marks an empty place.
        var child: UInt32
    }

    static let none = UInt32.max
    private static let vacant = Edge(parent: Self.none, level: Self.none, child: Self.none)

    private var edges: ContiguousArray<Edge> = []
    private(set) var count = 0
    private let hashing: ByteHash

    init(hashing: ByteHash) {
        self.hashing = hashing
    }

    func child(of parent: UInt32, level: UInt32) -> UInt32 {
        guard !self.edges.isEmpty else { return Self.none }
        let mask = self.edges.count - 1
        var place = self.hash(parent, level) & mask
        while true {
            let edge = self.edges[place]
            if edge.child == Self.none || (edge.parent == parent && edge.level == level) { return edge.child }
            place = (place + 1) & mask
        }
    }

    mutating func insert(parent: UInt32, level: UInt32, child: UInt32) {
        if (self.count + 1) * 4 > self.edges.count * 3 { self.grow() }
        self.place(Edge(parent: parent, level: level, child: child))
        self.count += 1
    }

    mutating func remove(parent: UInt32, level: UInt32) {
        let mask = self.edges.count - 1
        var hole = self.hash(parent, level) & mask
        while self.edges[hole].parent != parent || self.edges[hole].level != level {
            guard self.edges[hole].child != Self.none else {
                preconditionFailure("only an edge that is there is removed")
            }
            hole = (hole + 1) & mask
        }
        var next = (hole + 1) & mask
        while self.edges[next].child != Self.none {
            let home = self.hash(self.edges[next].parent, self.edges[next].level) & mask
            if (next - home) & mask >= (next - hole) & mask {
                self.edges[hole] = self.edges[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        self.edges[hole] = Self.vacant
        self.count -= 1
    }

    private mutating func place(_ edge: Edge) {
        let mask = self.edges.count - 1
        var place = self.hash(edge.parent, edge.level) & mask
        while self.edges[place].child != Self.none { place = (place + 1) & mask }
        self.edges[place] = edge
    }

    private mutating func grow() {
        let old = self.edges
        self.edges = ContiguousArray(repeating: Self.vacant, count: max(16, old.count * 2))
        for edge in old where edge.child != Self.none { self.place(edge) }
    }

    private func hash(_ parent: UInt32, _ level: UInt32) -> Int {
        Int(truncatingIfNeeded: self.hashing.hash(UInt64(parent) << 32 | UInt64(level)) >> 16)
    }
}
