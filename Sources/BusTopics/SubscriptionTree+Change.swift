/// Adding and removing subscriptions.
extension SubscriptionTree {
    /// Returns the entry of the same subscriber and filter that was replaced.
    package mutating func insert(_ filter: TopicFilter, _ entry: Entry) -> Entry? {
        let node = self.makeNode(for: filter)
        let old =
            if let name = filter.shareName {
                self.insert(entry, intoGroup: name, at: node)
            } else {
                self.insert(entry, at: node)
            }
        if old != entry { self.generation += 1 }
        guard old == nil else { return old }
        if filter.isShared { self.sharedCount += 1 } else { self.count += 1 }
        return nil
    }

    /// Returns the entry that was removed, `nil` when there was none.
    package mutating func remove(_ filter: TopicFilter, _ subscriber: Subscriber) -> Entry? {
        guard let node = self.findNode(of: filter) else { return nil }
        let removed =
            if let name = filter.shareName {
                self.remove(subscriber, fromGroup: name, at: node)
            } else {
                self.remove(subscriber, at: node)
            }
        guard let removed else { return nil }
        self.generation += 1
        if filter.isShared { self.sharedCount -= 1 } else { self.count -= 1 }
        self.prune(from: node)
        return removed
    }

    // MARK: Nodes

    private mutating func makeNode(for filter: TopicFilter) -> UInt32 {
        var node = Self.root
        unsafe filter.filter.withBytes { bytes in
            unsafe bytes.forEachLevel { level in
                if unsafe level.isOnly("+") {
                    node = self.makeWildcardChild(of: node, Self.plus, \.plusChild)
                } else if unsafe level.isOnly("#") {
                    node = self.makeWildcardChild(of: node, Self.multi, \.multiChild)
                } else {
                    node = unsafe self.makeNamedChild(of: node, level)
                }
            }
        }
        return node
    }

    private mutating func makeWildcardChild(
        of node: UInt32, _ level: UInt32, _ child: WritableKeyPath<Node, UInt32>
    ) -> UInt32 {
        let known = self.nodes[Int(node)][keyPath: child]
        if known != EdgeTable.none { return known }
        let added = self.addNode(parent: node, level: level)
        self.nodes[Int(node)][keyPath: child] = added
        return added
    }

    private mutating func makeNamedChild(of node: UInt32, _ name: UnsafeRawBufferPointer) -> UInt32 {
        let known = unsafe self.levels.find(name)
        if known != LevelTable.none {
            let child = self.edges.child(of: node, level: known)
            if child != EdgeTable.none { return child }
        }
        let level = unsafe self.levels.retain(name)
        let child = self.addNode(parent: node, level: level)
        self.edges.insert(parent: node, level: level, child: child)
        return child
    }

    private mutating func addNode(parent: UInt32, level: UInt32) -> UInt32 {
        self.nodes[Int(parent)].childCount += 1
        let node = Node(parent: parent, level: level)
        if let reused = self.freeNodes.popLast() {
            self.nodes[Int(reused)] = node
            return reused
        }
        self.nodes.append(node)
        return UInt32(self.nodes.count - 1)
    }

    func findNode(of filter: TopicFilter) -> UInt32? {
        var node = Self.root
        unsafe filter.filter.withBytes { bytes in
            unsafe bytes.forEachLevel { level in
                guard node != EdgeTable.none else { return }
                if unsafe level.isOnly("+") {
                    node = self.nodes[Int(node)].plusChild
                } else if unsafe level.isOnly("#") {
                    node = self.nodes[Int(node)].multiChild
                } else {
                    node = self.namedChild(of: node, unsafe self.levels.find(level))
                }
            }
        }
        return node == EdgeTable.none ? nil : node
    }

    private mutating func prune(from start: UInt32) {
        var node = start
        while node != Self.root, self.nodes[Int(node)].isEmpty {
            let parent = self.nodes[Int(node)].parent
            switch self.nodes[Int(node)].level {
            case Self.plus: self.nodes[Int(parent)].plusChild = EdgeTable.none
            case Self.multi: self.nodes[Int(parent)].multiChild = EdgeTable.none
            case let level:
                self.edges.remove(parent: parent, level: level)
                self.levels.release(level)
            }
            self.nodes[Int(parent)].childCount -= 1
            self.freeNodes.append(node)
            node = parent
        }
    }

    // MARK: Entries

    private mutating func insert(_ entry: Entry, at node: UInt32) -> Entry? {
        let place = Int(node)
        if self.nodes[place].entries != EdgeTable.none {
            return self.entryLists[Int(self.nodes[place].entries)].insert(entry)
        }
        let old = self.nodes[place].onlyEntry
        if let old, old.subscriber != entry.subscriber {
            var list = EntryList()
            _ = list.insert(old)
            _ = list.insert(entry)
            self.nodes[place].entries = self.addList(list)
            self.nodes[place].onlyEntry = nil
            return nil
        }
        self.nodes[place].onlyEntry = entry
        return old
    }

    private mutating func remove(_ subscriber: Subscriber, at node: UInt32) -> Entry? {
        let place = Int(node)
        let list = self.nodes[place].entries
        guard list != EdgeTable.none else {
            guard let only = self.nodes[place].onlyEntry, only.subscriber == subscriber else { return nil }
            self.nodes[place].onlyEntry = nil
            return only
        }
        let removed = self.entryLists[Int(list)].remove(subscriber)
        if self.entryLists[Int(list)].count == 1 {
            self.nodes[place].onlyEntry = self.entryLists[Int(list)].entries[0]
            self.nodes[place].entries = EdgeTable.none
            self.entryLists[Int(list)] = EntryList()
            self.freeEntryLists.append(list)
        }
        return removed
    }

    private mutating func addList(_ list: EntryList) -> UInt32 {
        if let reused = self.freeEntryLists.popLast() {
            self.entryLists[Int(reused)] = list
            return reused
        }
        self.entryLists.append(list)
        return UInt32(self.entryLists.count - 1)
    }
}

extension SubscriptionTree.Node {
    /// The entry kept in the node itself.
    var onlyEntry: SubscriptionTree.Entry? {
        get {
            guard self.hasEntry else { return nil }
            return SubscriptionTree.Entry(
                subscriber: SubscriptionTree.Subscriber(rawValue: self.subscriber), options: self.options,
                identifier: self.identifier)
        }
        set {
            self.hasEntry = newValue != nil
            guard let newValue else { return }
            self.subscriber = newValue.subscriber.rawValue
            self.options = newValue.options
            self.identifier = newValue.identifier
        }
    }
}
