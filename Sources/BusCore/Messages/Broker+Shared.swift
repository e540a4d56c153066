import BusAccess
import BusSession
import BusTopics
import BusWire

/// Shared subscriptions: which member of a group gets a message, and what happens when it cannot keep it.
extension Broker {
    /// One member of the group gets the message: the next one in turn that can take it now, else the next one that is
    /// online, else, if the message may wait, the next one at all.
    mutating func deliver(_ emission: inout Emission, toMemberOf group: SubscriptionTree.GroupIdentifier) {
        let members = self.subscriptions.members(of: group)
        guard !members.isEmpty else { return }
        let turn = self.groupTurns[group.rawValue, default: 0]
        var chosen: (rank: Int, offset: Int)?
        for step in 0..<members.count {
            let offset = (turn + step) % members.count
            let rank = self.readiness(of: members[offset], for: emission)
            if rank > chosen?.rank ?? 0 { chosen = (rank, offset) }
            if rank == 3 { break }
        }
        guard let chosen else {
            self.statistics.droppedCongested += 1
            return
        }
        self.groupTurns[group.rawValue] = (chosen.offset + 1) % members.count
        let member = members[chosen.offset]
        let recipient = Route.Recipient(
            session: Int(member.subscriber.rawValue), options: SubscriptionOptions(rawValue: member.options),
            identifiers: member.identifier == 0 ? [] : [member.identifier])
        self.deliver(&emission, to: recipient, of: group)
    }

    /// 3: can take it now; 2: online; 1: offline, but the message may wait for it; 0: not at all, because it is
    /// offline, may not read it, or takes no packet of this size (3.1.2.11.4 leaves the last to us).
    private func readiness(of member: SubscriptionTree.Entry, for emission: Emission) -> Int {
        let session = Int(member.subscriber.rawValue)
        let publish = emission.publish
        if self.restricts, !self.standings[session].rights.mayReceive(publish.topic) { return 0 }
        let effective = min(publish.qos, SubscriptionOptions(rawValue: member.options).maximumQoS)
        guard let index = self.sessions[session].connection else { return effective == .atMostOnce ? 0 : 1 }
        guard self.connections[index].mayTake(publish, qos: effective, identifier: member.identifier) else { return 0 }
        guard self.canWrite(index) else { return 2 }
        return effective == .atMostOnce || self.sessions[session].window.hasRoom ? 3 : 2
    }

    // MARK: The end of a member

    /// Ends the shared subscriptions of a session that ends, and gives what it has not acknowledged to other members.
    ///
    /// A QoS 2 message that was on its way may have been used already and goes to nobody else ([MQTT-4.8.2-5]); one of
    /// QoS 1 goes to another member, as 4.8.2 advises, and so does everything that was never sent.
    mutating func endSharedSubscriptions(of session: Int, now: Timestamp) {
        let records = self.sessions[session].subscriptions.records.filter(\.filter.isShared)
        guard !records.isEmpty else { return }
        for record in records {
            _ = self.sessions[session].subscriptions.remove(record.filter)
            self.removeSubscription(record, session: session, now: now)
        }
        // A group without members is gone, and its number may mean another one by now.
        let groups = Set(records.compactMap { self.subscriptions.group(of: $0.filter) })
        for message in self.sessions[session].takeShareable() {
            guard let group = message.group, groups.contains(group) else { continue }
            guard message.expiresAt > now else {
                self.statistics.droppedExpired += 1
                continue
            }
            var emission = Emission(again: message, now: now)
            self.deliver(&emission, toMemberOf: group)
        }
    }
}

extension Connection {
    /// Whether a PUBLISH with one subscription identifier at most is within the client's Maximum Packet Size.
    fileprivate func mayTake(_ publish: Publish, qos: QoS, identifier: UInt32) -> Bool {
        guard self.maximumPacketSize < .max else { return true }
        // All packet identifiers have the same length.
        let delivery = PublishDelivery(
            qos: qos, packetIdentifier: qos == .atMostOnce ? nil : PacketIdentifier(rawValue: 1),
            subscriptionIdentifiers: identifier == 0 ? [] : [identifier])
        return publish.encodedByteCount(delivery, version: self.version) <= self.maximumPacketSize
    }
}
