package import BusContract

/// How to reach a broker, and as whom.
package struct MosquittoSettings: Sendable {
    package struct TLS: Sendable {
        /// PEM file of the authorities to trust; `nil` trusts those of the system.
        package var authorityFile: String?
        package var certificateFile: String?
        package var keyFile: String?
        /// Of an encrypted key. Without one, an encrypted key is refused; nobody is asked on the terminal.
        package var keyPassword: String?
        /// Whether the certificate must be for the host that was dialled.
        package var verifiesHostName = true

        package init() {}
    }

    package var host = "127.0.0.1"
    package var port = 1883
    package var clientIdentifier: String
    package var userName: String?
    package var password: String?
    /// Asked before each connection, on the network thread, in place of `password`: tokens expire.
    package var passwordSource: (@Sendable () -> String?)?
    package var keepAliveSeconds = 30
    package var tls: TLS?
    /// Published by the broker when the connection is lost.
    package var will: ApplicationMessage?
    /// The largest packet that the broker may send.
    package var packetBytesMax = 16 << 20
    /// Waits between attempts to connect: the first, doubled each time, up to the last; each is spread over its second
    /// half, so that all who lost the same broker do not come back at once.
    package var firstRetry = Duration.milliseconds(100)
    package var lastRetry = Duration.seconds(10)

    package init(clientIdentifier: String) {
        self.clientIdentifier = clientIdentifier
    }

    /// The wait before an attempt, counted from 0.
    ///
    /// - Parameter random: 0 to 1.
    package func delay(beforeAttempt attempt: Int, random: Double) -> Duration {
        // Beyond ten doublings every wait is the longest.
        let doubled = self.firstRetry * (1 << min(attempt, 10))
        return min(doubled, self.lastRetry) * (0.5 + 0.5 * random)
    }
}
