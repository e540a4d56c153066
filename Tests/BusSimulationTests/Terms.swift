import BusCore
import BusSession
import BusTestKit

/// What the world of one seed is like.
struct Terms {
    var clientCount: Int
    var stepCount: Int
    var limits = BrokerLimits()
    /// Queues so small that they overflow: then messages may be missing, but never more than the broker counts.
    var isTight: Bool
    var hasSharedSubscriptions: Bool
    /// Whether somebody has to find out who a client is before it is let in.
    var authenticates: Bool
    /// Timers may fire late, as they do on a machine that stands still for a while.
    var firesLate: Bool
    /// Of 100 reads, how many give their packets to the broker one by one.
    var percentSingle: Int
    /// Bytes under way to a client at which the driver calls its connection congested, and no longer.
    var highWaterBytes: Int
    var lowWaterBytes: Int

    init(random: inout SeededGenerator) {
        self.clientCount = random.number(in: 3...12)
        self.stepCount = random.number(in: 150...450)
        self.isTight = random.chance(30)
        self.hasSharedSubscriptions = random.chance(60)
        // Two things due at one instant come in no order that the model could know; only groups would show it.
        self.firesLate = !self.hasSharedSubscriptions
        self.authenticates = random.chance(30)
        self.percentSingle = random.pick([0, 50, 100])
        self.highWaterBytes = random.pick([300, 2000, 100_000])
        self.lowWaterBytes = self.highWaterBytes / 4
        self.limits.session.receiveMaximumIn = random.pick([2, 8, 64])
        self.limits.session.receiveMaximumOut = random.pick([1, 3, 20, 1024])
        self.limits.session.outboundBytesMax = random.pick([400, 4000, 1 << 20])
        if self.isTight {
            self.limits.session.queue.messagesMax = random.number(in: 1...6)
            self.limits.session.queue.bytesMax = random.pick([2000, 1 << 20])
        } else {
            self.limits.session.queue.messagesMax = 100_000
            self.limits.session.queue.bytesMax = 1 << 30
        }
    }
}
