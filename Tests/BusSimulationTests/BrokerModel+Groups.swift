/// Which message of a shared subscription a packet carries.
///
/// Where a client gets the same copy by several ways, its own subscription and those of groups, the packets do not say
/// which is which. What is attributed first may have to be attributed otherwise, so that everything finds a place.
extension BrokerModel {
    func takeShared(
        _ number: Int, for session: ModelSession, _ isSame: (Delivery) -> Bool
    ) -> Delivery? {
        let groups = self.groupDeliveries[number] ?? []
        var visited: Set<ObjectIdentifier> = []
        guard let group = self.claim(groups, for: session, visited: &visited, isSame) else {
            return self.takeInherited(groups, for: session, isSame)
        }
        // Another member may have left it behind at its end: then it comes late.
        if group.members.contains(where: \.session.isEnded) { self.repeated.insert(number) }
        return group.delivery(to: session)
    }

    /// Attributes one of the groups' messages to the session, and what it takes from others to something else.
    private func claim(
        _ groups: [GroupDelivery], for session: ModelSession, visited: inout Set<ObjectIdentifier>,
        _ isSame: (Delivery) -> Bool
    ) -> GroupDelivery? {
        let candidates = groups.filter { $0.delivery(to: session, if: isSame) != nil }
        if let free = candidates.first(where: { $0.receiver == nil }) {
            free.receiver = session
            return free
        }
        for group in candidates where visited.insert(ObjectIdentifier(group)).inserted {
            guard let other = group.receiver, let copy = group.delivery(to: other) else { continue }
            let isElsewhere =
                self.removePending(copy, of: other)
                || self.claim(groups, for: other, visited: &visited, copy.isSame(as:)) != nil
            guard isElsewhere else { continue }
            group.receiver = session
            return group
        }
        return nil
    }

    private func removePending(_ copy: Delivery, of session: ModelSession) -> Bool {
        guard let index = session.pending[copy.number]?.firstIndex(where: copy.isSame(as:)) else { return false }
        session.pending[copy.number]?.remove(at: index)
        return true
    }

    /// What a member left behind whose session ended goes to another member, under the terms that it has then; late, and
    /// perhaps for the second time.
    private func takeInherited(
        _ groups: [GroupDelivery], for session: ModelSession, _ isSame: (Delivery) -> Bool
    ) -> Delivery? {
        for group in groups where group.members.contains(where: \.session.isEnded) {
            let copies = (session.memberships[group.group] ?? []).map { $0.copy(of: group.message) }
            guard let delivery = copies.first(where: isSame) else { continue }
            group.receiver = session
            self.repeated.insert(delivery.number)
            return delivery
        }
        return nil
    }
}
