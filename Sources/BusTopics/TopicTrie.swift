/// The topics in use as a trie by level that is searched with filters; each has a number for as long as it stays.
///
/// Layout: like that of `SubscriptionTree`, only that here the topics are stored and the filters come by. A wildcard
/// has to visit all children of a node, so the children are chained, in the order of their arrival.
/// Invariant: every node but the root is a topic or has a child.
struct TopicTrie: Sendable {
    private struct Node: Sendable {
        var parent: UInt32
        var level: UInt32
        var firstChild = EdgeTable.none
        /// `none` in the last child.
        var next = EdgeTable.none
        /// In the first child this is the last one, so that the chain can be continued without a walk.
        var previous: UInt32
        var isTopic = false
    }

    private static let root: UInt32 = 0
    private static let plus = UInt32.max - 1
    private static let multi = UInt32.max - 2

    private var levels: LevelTable
    private var edges: EdgeTable
    private var nodes: ContiguousArray<Node> = [Node(parent: Self.root, level: 0, previous: 0)]
    private var freeNodes: [UInt32] = []

    init(seed: UInt64) {
        let hashing = ByteHash(seed: seed)
        self.levels = LevelTable(hashing: hashing)
        self.edges = EdgeTable(hashing: hashing)
    }

    /// Nodes in use, the root included.
    var nodeCount: Int { self.nodes.count - self.freeNodes.count }

    // MARK: One topic

    func find(_ topic: TopicName) -> UInt32? {
        var node = Self.root
        unsafe topic.string.withBytes { bytes in
            unsafe bytes.forEachLevel { level in
                guard node != EdgeTable.none else { return }
                node = self.child(of: node, unsafe self.levels.find(level))
            }
        }
        return node != EdgeTable.none && self.nodes[Int(node)].isTopic ? node : nil
    }

    /// The number of a topic, which is added if it is new. Numbers are small and used again.
    mutating func insert(_ topic: TopicName) -> UInt32 {
        var node = Self.root
        unsafe topic.string.withBytes { bytes in
            unsafe bytes.forEachLevel { level in
                let known = self.child(of: node, unsafe self.levels.find(level))
                node = known != EdgeTable.none ? known : unsafe self.addChild(of: node, level)
            }
        }
        self.nodes[Int(node)].isTopic = true
        return node
    }

    mutating func remove(_ topic: UInt32) {
        self.nodes[Int(topic)].isTopic = false
        var node = topic
        while node != Self.root, !self.nodes[Int(node)].isTopic, self.nodes[Int(node)].firstChild == EdgeTable.none {
            let parent = self.nodes[Int(node)].parent
            let level = self.nodes[Int(node)].level
            self.edges.remove(parent: parent, level: level)
            self.levels.release(level)
            self.unlink(node)
            self.freeNodes.append(node)
            node = parent
        }
    }

    /// The text of a topic, put together from its levels.
    func text(of topic: UInt32) -> String {
        var path: [UInt32] = []
        var node = topic
        while node != Self.root {
            path.append(self.nodes[Int(node)].level)
            node = self.nodes[Int(node)].parent
        }
        let bytes = path.reversed().map { self.levels.name($0) }.joined(separator: [UInt8(ascii: "/")])
        return String(decoding: Array(bytes), as: UTF8.self)
    }

    // MARK: Many topics

    /// Visits the topics that a filter matches, a topic before those below it and otherwise in the order in which they
    /// came.
    func forEachMatch(_ filter: TopicFilter, _ body: (UInt32) -> Void) {
        var path: [UInt32] = []
        unsafe filter.filter.withBytes { bytes in
            unsafe bytes.forEachLevel { level in
                if unsafe level.isOnly("+") {
                    path.append(Self.plus)
                } else if unsafe level.isOnly("#") {
                    path.append(Self.multi)
                } else {
                    path.append(unsafe self.levels.find(level))
                }
            }
        }
        // A name that no topic has: nothing can match.
        if path.contains(LevelTable.none) { return }
        self.visit(Self.root, path[...], body)
    }

    func forEach(_ body: (UInt32) -> Void) {
        self.visitAll(below: Self.root, body)
    }

    /// The depth of the recursion is that of the filter, at most `TopicLimits.levelCountMax`.
    private func visit(_ node: UInt32, _ path: ArraySlice<UInt32>, _ body: (UInt32) -> Void) {
        guard let level = path.first else {
            if self.nodes[Int(node)].isTopic { body(node) }
            return
        }
        switch level {
        case Self.multi:
            // `#` stands for its parent level too.
            if self.nodes[Int(node)].isTopic { body(node) }
            self.forEachWildcardChild(of: node) { child in
                if self.nodes[Int(child)].isTopic { body(child) }
                self.visitAll(below: child, body)
            }
        case Self.plus:
            self.forEachWildcardChild(of: node) { self.visit($0, path.dropFirst(), body) }
        default:
            let child = self.edges.child(of: node, level: level)
            if child != EdgeTable.none { self.visit(child, path.dropFirst(), body) }
        }
    }

    /// Visits the children that a wildcard stands for: at the front of a topic not those with `$` ([MQTT-4.7.2-1]).
    private func forEachWildcardChild(of node: UInt32, _ body: (UInt32) -> Void) {
        var child = self.nodes[Int(node)].firstChild
        while child != EdgeTable.none {
            if node != Self.root || !self.levels.beginsWithDollar(self.nodes[Int(child)].level) { body(child) }
            child = self.nodes[Int(child)].next
        }
    }

    private func visitAll(below top: UInt32, _ body: (UInt32) -> Void) {
        var node = self.nodes[Int(top)].firstChild
        guard node != EdgeTable.none else { return }
        while true {
            if self.nodes[Int(node)].isTopic { body(node) }
            if self.nodes[Int(node)].firstChild != EdgeTable.none {
                node = self.nodes[Int(node)].firstChild
                continue
            }
            while self.nodes[Int(node)].next == EdgeTable.none {
                node = self.nodes[Int(node)].parent
                if node == top { return }
            }
            node = self.nodes[Int(node)].next
        }
    }

    // MARK: Nodes

    private func child(of node: UInt32, _ level: UInt32) -> UInt32 {
        level == LevelTable.none ? EdgeTable.none : self.edges.child(of: node, level: level)
    }

    private mutating func addChild(of parent: UInt32, _ name: UnsafeRawBufferPointer) -> UInt32 {
        let level = unsafe self.levels.retain(name)
        let child: UInt32
        if let reused = self.freeNodes.popLast() {
            child = reused
        } else {
            child = UInt32(self.nodes.count)
            self.nodes.append(Node(parent: parent, level: level, previous: child))
        }
        self.nodes[Int(child)] = Node(parent: parent, level: level, previous: child)
        let first = self.nodes[Int(parent)].firstChild
        if first == EdgeTable.none {
            self.nodes[Int(parent)].firstChild = child
        } else {
            let last = self.nodes[Int(first)].previous
            self.nodes[Int(last)].next = child
            self.nodes[Int(child)].previous = last
            self.nodes[Int(first)].previous = child
        }
        self.edges.insert(parent: parent, level: level, child: child)
        return child
    }

    private mutating func unlink(_ node: UInt32) {
        let parent = self.nodes[Int(node)].parent
        let first = self.nodes[Int(parent)].firstChild
        let next = self.nodes[Int(node)].next
        let previous = self.nodes[Int(node)].previous
        if node == first {
            self.nodes[Int(parent)].firstChild = next
            if next != EdgeTable.none { self.nodes[Int(next)].previous = previous }
        } else {
            self.nodes[Int(previous)].next = next
            // The last child leaves: the first one has to know the new last one.
            self.nodes[Int(next == EdgeTable.none ? first : next)].previous = previous
        }
    }
}
