/// Who subscribed to what: a trie by topic level.
///
/// Why: matching costs grow with the depth of the topic and the number of matches, not with the number of filters; a
/// million filters are a normal size.
///
/// Layout: level names are numbers (`LevelTable`); nodes lie in a slab of 40 bytes each with a free list; the edges to
/// named children are in one table (`EdgeTable`), those to the children `+` and `#` in the node. A node's only
/// subscriber is kept in the node, more of them in a list beside it. The shared subscriptions of a node are chained;
/// a second `EdgeTable` finds one by its share name. A million filters of four levels, two of
/// which no other filter has, take 185 bytes each (measured).
/// Invariant: every node but the root has an entry, a group or a child; removing prunes what has none.
package struct SubscriptionTree: Sendable {
    /// A session, by a number that the owner of the tree chooses.
    package struct Subscriber: Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }
    }

    package struct Entry: Hashable, Sendable {
        package var subscriber: Subscriber
        /// Bits of the owner; the tree only keeps them.
        package var options: UInt8
        /// Subscription identifier, 0 for none.
        package var identifier: UInt32

        package init(subscriber: Subscriber, options: UInt8, identifier: UInt32) {
            self.subscriber = subscriber
            self.options = options
            self.identifier = identifier
        }
    }

    /// One shared subscription: a share name and a filter.
    package struct GroupIdentifier: Hashable, Sendable {
        package let rawValue: UInt32
    }

    /// What a topic matched. One subscriber may stand in it several times, once for each filter.
    package struct Matches: Sendable {
        package var entries: [Entry] = []
        package var groups: [GroupIdentifier] = []

        package init() {}

        package mutating func removeAll() {
            self.entries.removeAll(keepingCapacity: true)
            self.groups.removeAll(keepingCapacity: true)
        }
    }

    struct Node: Sendable {
        var parent: UInt32
        var level: UInt32
        var plusChild = EdgeTable.none
        var multiChild = EdgeTable.none
        /// Children of all three kinds.
        var childCount: UInt32 = 0
        /// In `entryLists`.
        var entries = EdgeTable.none
        /// The first of the node's groups.
        var group = EdgeTable.none
        /// The only entry while `entries` is none; `options` says nothing unless `hasEntry`.
        var subscriber: UInt32 = 0
        var identifier: UInt32 = 0
        var options: UInt8 = 0
        var hasEntry = false

        var isEmpty: Bool {
            self.childCount == 0 && self.entries == EdgeTable.none && self.group == EdgeTable.none && !self.hasEntry
        }
    }

    struct Group: Sendable {
        var node: UInt32
        /// In `levels`, like the names of levels.
        var name: UInt32
        var next: UInt32
        var previous = EdgeTable.none
        var members = EntryList()
    }

    /// Levels that are no names.
    static let plus = UInt32.max - 1
    static let multi = UInt32.max - 2
    static let root: UInt32 = 0

    var levels: LevelTable
    var edges: EdgeTable
    /// (node, share name) to group.
    var groupEdges: EdgeTable
    var nodes: ContiguousArray<Node>
    var freeNodes: [UInt32] = []
    var entryLists: ContiguousArray<EntryList> = []
    var freeEntryLists: [UInt32] = []
    var groups: ContiguousArray<Group> = []
    var freeGroups: [UInt32] = []

    /// Changes whenever a match may give something else than before, so that owners may keep matches.
    package internal(set) var generation: UInt64 = 0
    /// Subscriptions that are not shared.
    package internal(set) var count = 0
    /// Members of all shared subscriptions.
    package internal(set) var sharedCount = 0

    /// - Parameter seed: a number that outsiders don't know; it seeds the hash of level names.
    package init(seed: UInt64 = 0) {
        let hashing = ByteHash(seed: seed)
        self.levels = LevelTable(hashing: hashing)
        self.edges = EdgeTable(hashing: hashing)
        self.groupEdges = EdgeTable(hashing: hashing)
        self.nodes = [Node(parent: Self.root, level: 0)]
    }

    /// Nodes in use, the root included.
    package var nodeCount: Int { self.nodes.count - self.freeNodes.count }

    /// Level names and share names in use.
    var nameCount: Int { self.levels.count }

    /// The members of a shared subscription, in the order of their arrival while there are at most 16; above that, the
    /// last one takes the place of one that leaves.
    package func members(of group: GroupIdentifier) -> [Entry] {
        self.groups[Int(group.rawValue)].members.entries
    }

    package func shareName(of group: GroupIdentifier) -> String {
        String(decoding: self.levels.name(self.groups[Int(group.rawValue)].name), as: UTF8.self)
    }

    /// The inner filter of a shared subscription.
    package func filter(of group: GroupIdentifier) -> String {
        var node = self.groups[Int(group.rawValue)].node
        var levels: [UInt32] = []
        while node != Self.root {
            levels.append(self.nodes[Int(node)].level)
            node = self.nodes[Int(node)].parent
        }
        var bytes: [UInt8] = []
        for level in levels.reversed() {
            switch level {
            case Self.plus: bytes.append(UInt8(ascii: "+"))
            case Self.multi: bytes.append(UInt8(ascii: "#"))
            default: bytes += self.levels.name(level)
            }
            bytes.append(UInt8(ascii: "/"))
        }
        return String(decoding: bytes.dropLast(), as: UTF8.self)
    }
}
