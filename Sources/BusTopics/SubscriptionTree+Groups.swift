/// Shared subscriptions: the groups of a node, a doubly linked chain for matching and a table for finding one.
extension SubscriptionTree {
    mutating func insert(_ entry: Entry, intoGroup name: String, at node: UInt32) -> Entry? {
        let number = unsafe name.withBytes { unsafe self.levels.find($0) }
        let known = number == LevelTable.none ? EdgeTable.none : self.groupEdges.child(of: node, level: number)
        let group = known == EdgeTable.none ? self.addGroup(name, at: node) : known
        return self.groups[Int(group)].members.insert(entry)
    }

    mutating func remove(_ subscriber: Subscriber, fromGroup name: String, at node: UInt32) -> Entry? {
        let number = unsafe name.withBytes { unsafe self.levels.find($0) }
        guard number != LevelTable.none else { return nil }
        let group = self.groupEdges.child(of: node, level: number)
        guard group != EdgeTable.none else { return nil }
        let removed = self.groups[Int(group)].members.remove(subscriber)
        if self.groups[Int(group)].members.isEmpty { self.removeGroup(group) }
        return removed
    }

    /// The group of a shared filter, while it has members.
    package func group(of filter: TopicFilter) -> GroupIdentifier? {
        guard let name = filter.shareName, let node = self.findNode(of: filter) else { return nil }
        let number = unsafe name.withBytes { unsafe self.levels.find($0) }
        guard number != LevelTable.none else { return nil }
        let group = self.groupEdges.child(of: node, level: number)
        return group == EdgeTable.none ? nil : GroupIdentifier(rawValue: group)
    }

    private mutating func addGroup(_ name: String, at node: UInt32) -> UInt32 {
        let number = unsafe name.withBytes { unsafe self.levels.retain($0) }
        let next = self.nodes[Int(node)].group
        let group = Group(node: node, name: number, next: next)
        let place: UInt32
        if let reused = self.freeGroups.popLast() {
            self.groups[Int(reused)] = group
            place = reused
        } else {
            self.groups.append(group)
            place = UInt32(self.groups.count - 1)
        }
        if next != EdgeTable.none { self.groups[Int(next)].previous = place }
        self.nodes[Int(node)].group = place
        self.groupEdges.insert(parent: node, level: number, child: place)
        return place
    }

    private mutating func removeGroup(_ place: UInt32) {
        let group = self.groups[Int(place)]
        if group.previous == EdgeTable.none {
            self.nodes[Int(group.node)].group = group.next
        } else {
            self.groups[Int(group.previous)].next = group.next
        }
        if group.next != EdgeTable.none { self.groups[Int(group.next)].previous = group.previous }
        self.groupEdges.remove(parent: group.node, level: group.name)
        self.levels.release(group.name)
        self.groups[Int(place)].members = EntryList()
        self.freeGroups.append(place)
    }
}
