/// What the broker counts. Totals since start; gauges are computed when a snapshot is taken.
package struct Statistics: Sendable, Equatable {
    package var packetsReceived = 0
    package var publishReceived = 0
    package var publishSent = 0
    package var publishBytesReceived = 0
    /// QoS 0 messages dropped because the client did not take them fast enough.
    package var droppedCongested = 0
    /// Messages refused or pushed out by a full session queue.
    package var droppedQueueFull = 0
    package var droppedExpired = 0
    /// Messages above the client's Maximum Packet Size.
    package var droppedTooLarge = 0
    /// Messages and subscriptions that the access rules do not allow.
    package var deniedPublishes = 0
    package var deniedSubscriptions = 0
    /// Messages whose payload is not the UTF-8 that it is said to be.
    package var refusedPayloads = 0
    /// All packets but PUBLISH.
    package var otherPacketsSent = 0
    package var bytesReceived = 0
    package var bytesSent = 0
    /// QoS 0 messages given up, and messages refused, because memory ran short.
    package var droppedMemory = 0
    package var sessionsExpired = 0
    package var clientsConnected = 0
    package var callsAnswered = 0
    package var callsFailed = 0
    /// Answers that came after their call had ended, and interim replies that nobody wanted.
    package var answersLate = 0
    package var interimDropped = 0
    package var connectionsOpened = 0
    package var connectionsRefused = 0
    /// Acknowledgements for identifiers that are not under way: late ones after a takeover, or a client's mistake.
    package var unexpectedAcknowledgements = 0

    package init() {}

    package var packetsSent: Int { self.publishSent + self.otherPacketsSent }
    package var dropped: Int {
        self.droppedCongested + self.droppedQueueFull + self.droppedExpired + self.droppedTooLarge + self.droppedMemory
    }
    package var denied: Int { self.deniedPublishes + self.deniedSubscriptions }
}
