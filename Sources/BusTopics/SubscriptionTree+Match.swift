/// Finding who gets a message.
extension SubscriptionTree {
    /// Appends every subscription that matches a topic name.
    ///
    /// A filter that begins with a wildcard does not match a topic that begins with `$` ([MQTT-4.7.2-1]).
    package func match(_ topic: UnsafeRawBufferPointer, into matches: inout Matches) {
        let count = unsafe topic.count { $0 == UInt8(ascii: "/") } + 1
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { numbers in
            var index = 0
            unsafe topic.forEachLevel { level in
                unsafe numbers[index] = self.levels.find(level)
                index += 1
            }
            if unsafe topic.first == UInt8(ascii: "$") {
                let child = unsafe self.namedChild(of: Self.root, numbers[0])
                if child != EdgeTable.none {
                    unsafe self.visit(child, rest: UnsafeBufferPointer(rebasing: numbers[1...]), into: &matches)
                }
            } else {
                unsafe self.visit(Self.root, rest: UnsafeBufferPointer(numbers), into: &matches)
            }
        }
    }

    /// The depth of the recursion is that of the filters, at most `TopicLimits.levelCountMax`.
    private func visit(_ node: UInt32, rest: UnsafeBufferPointer<UInt32>, into matches: inout Matches) {
        // `#` stands for its parent level too.
        let multi = self.nodes[Int(node)].multiChild
        if multi != EdgeTable.none { self.collect(multi, into: &matches) }
        guard let level = unsafe rest.first else {
            self.collect(node, into: &matches)
            return
        }
        let tail = unsafe UnsafeBufferPointer(rebasing: rest.dropFirst())
        let plus = self.nodes[Int(node)].plusChild
        let others: UInt32 = (plus != EdgeTable.none ? 1 : 0) + (multi != EdgeTable.none ? 1 : 0)
        if self.nodes[Int(node)].childCount > others {
            let named = self.namedChild(of: node, level)
            if named != EdgeTable.none { unsafe self.visit(named, rest: tail, into: &matches) }
        }
        if plus != EdgeTable.none { unsafe self.visit(plus, rest: tail, into: &matches) }
    }

    /// Whether some filter can match topics below a topic of these levels: what nobody can hear need not be said.
    package func reaches(below topic: String) -> Bool {
        var numbers: [UInt32] = []
        unsafe topic.withBytes { bytes in
            unsafe bytes.forEachLevel { level in numbers.append(unsafe self.levels.find(level)) }
        }
        return self.reaches(Self.root, numbers[...])
    }

    private func reaches(_ node: UInt32, _ rest: ArraySlice<UInt32>) -> Bool {
        if self.nodes[Int(node)].multiChild != EdgeTable.none { return true }
        guard let level = rest.first else { return self.nodes[Int(node)].childCount > 0 }
        let named = self.namedChild(of: node, level)
        if named != EdgeTable.none, self.reaches(named, rest.dropFirst()) { return true }
        let plus = self.nodes[Int(node)].plusChild
        return plus != EdgeTable.none && self.reaches(plus, rest.dropFirst())
    }

    func namedChild(of node: UInt32, _ level: UInt32) -> UInt32 {
        level == LevelTable.none ? EdgeTable.none : self.edges.child(of: node, level: level)
    }

    private func collect(_ node: UInt32, into matches: inout Matches) {
        let list = self.nodes[Int(node)].entries
        if list != EdgeTable.none {
            matches.entries += self.entryLists[Int(list)].entries
        } else if let only = self.nodes[Int(node)].onlyEntry {
            matches.entries.append(only)
        }
        var group = self.nodes[Int(node)].group
        while group != EdgeTable.none {
            matches.groups.append(GroupIdentifier(rawValue: group))
            group = self.groups[Int(group)].next
        }
    }
}
