import BusTopics
import Yams

extension ConfigurationFile {
    func persistence(_ node: Node) throws(ConfigurationFailure) -> PersistenceSettings {
        let path = "persistence."
        let keys = try self.section(node, path: path, keys: ["directory", "durability", "topics"])
        var settings = PersistenceSettings()
        if let node = keys["directory"] { settings.directory = try self.string(node, path + "directory") }
        if let node = keys["durability"] { settings.durability = try self.choice(node, path + "durability") }
        guard let node = keys["topics"] else { return settings }
        guard let rules = node.sequence else {
            throw self.failure(
                node, "persistence.topics: a list with entries such as `{filter: raw/#, durability: memory}`")
        }
        for rule in rules { settings.topics.append(try self.topicRule(rule)) }
        return settings
    }

    private func topicRule(_ node: Node) throws(ConfigurationFailure) -> PersistenceSettings.TopicRule {
        let path = "persistence.topics."
        let keys = try self.section(node, path: path, keys: ["filter", "durability"])
        guard let filter = keys["filter"], let durability = keys["durability"] else {
            throw self.failure(node, "persistence.topics: every entry has a filter and a durability")
        }
        let text = try self.string(filter, path + "filter")
        do {
            return PersistenceSettings.TopicRule(
                filter: try TopicFilter(text), durability: try self.choice(durability, path + "durability"))
        } catch let error as TopicError {
            throw self.failure(filter, "persistence.topics.filter \(text): \(error.message)")
        } catch let error as ConfigurationFailure {
            throw error
        } catch {
            throw self.failure(filter, "persistence.topics.filter \(text) is not valid")
        }
    }
}
