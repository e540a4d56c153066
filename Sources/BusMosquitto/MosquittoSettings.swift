/// How to reach a broker, and as whom.
package struct MosquittoSettings: Sendable {
    package struct TLS: Sendable {
        /// PEM file of the authorities to trust; `nil` trusts those of the system.
        package var authorityFile: String?
        package var certificateFile: String?
        package var keyFile: String?

        package init() {}
    }

    package var host = "127.0.0.1"
    package var port = 1883
    package var clientIdentifier: String
    package var userName: String?
    package var password: String?
    package var keepAliveSeconds = 30
    package var tls: TLS?
    /// Published by the broker when the connection is lost.
    package var will: MosquittoMessage?
    /// Waits between attempts to connect: the first, doubled each time, up to the last; spread by a fifth.
    package var firstRetry = Duration.milliseconds(100)
    package var lastRetry = Duration.seconds(10)

    package init(clientIdentifier: String) {
        self.clientIdentifier = clientIdentifier
    }
}
