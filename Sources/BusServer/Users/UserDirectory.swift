import BusAccess
import BusIdentity

/// What the configured files say about users, read as one: either all of them are right, or none is used.
struct UserDirectory: Sendable {
    var passwords: PasswordFile?
    var tokens: TokenVerifier?
    /// `nil` where nothing is ruled.
    var policy: AccessPolicy?

    /// - Throws: for the first file that is wrong, with its place.
    static func load(_ settings: UserSettings) async throws(ServerFailure) -> UserDirectory {
        var directory = UserDirectory()
        if let path = settings.passwordFile {
            do {
                directory.passwords = try PasswordFile(PrivateFile(path, .secret).readText().text, name: path)
            } catch {
                throw ServerFailure(error.description)
            }
        }
        if let tokens = settings.tokens {
            do {
                directory.tokens = try await TokenVerifier(tokens)
            } catch {
                throw ServerFailure(error.description)
            }
        }
        if let path = settings.accessFile {
            let file = AccessFile(name: path)
            let text: String
            do {
                text = try PrivateFile(path, .readable).readText().text
            } catch {
                throw ServerFailure(error.description)
            }
            do {
                let isYAML = path.hasSuffix(".yaml") || path.hasSuffix(".yml")
                directory.policy = try isYAML ? file.read(text) : file.readMosquitto(text)
            } catch {
                throw ServerFailure(error.description)
            }
        }
        return directory
    }
}
