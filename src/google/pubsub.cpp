#include "google/pubsub.h"

#include <algorithm>

#include "base/digest.h"

namespace slipway::google {
namespace {

// Ids: 3 to 255 letters, digits and -_.~+%, a letter first, not beginning with "goog".
bool is_pubsub_id(std::string_view id) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || std::string_view("-_.~+%").find(c) != std::string_view::npos;
  };
  return id.size() >= 3 && id.size() <= 255 && is_letter(id.front()) && std::ranges::all_of(id, fits) &&
         !id.starts_with("goog");
}

std::string full_name(std::string_view field, std::string_view project, std::string_view collection,
                      std::string_view name) {
  const std::string middle = "/" + std::string(collection) + "/";
  std::string_view id = name;
  if (name.starts_with("projects/")) {
    const auto at = name.find(middle);
    if (at == std::string_view::npos)
      throw base::validation_error(field, "must be an id or projects/PROJECT/" + std::string(collection) + "/ID");
    project = name.substr(9, at - 9);
    id = name.substr(at + middle.size());
  }
  if (project.empty() || project.find('/') != std::string_view::npos)
    throw base::validation_error(field, "needs a project");
  if (!is_pubsub_id(id))
    throw base::validation_error(
        field, "must have 3 to 255 letters, digits and - _ . ~ + %, a letter first, and not begin with 'goog'");
  return "projects/" + std::string(project) + middle + std::string(id);
}

const json::Value* member(const json::Object& object, std::string_view camel, std::string_view snake) {
  if (const auto* found = object.if_contains(camel)) return found->is_null() ? nullptr : found;
  const auto* found = object.if_contains(snake);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text_member(const json::Object& object, std::string_view camel, std::string_view snake,
                        const json::Path& path) {
  const auto* found = member(object, camel, snake);
  return found ? json::from_value<std::string>(*found, json::Mode::strict, {&path, camel}) : "";
}

// Google writes the standard alphabet with padding; its own readers take the other one too, and none.
std::string decode_data(std::string text, const json::Path& path) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.ends_with('=')) text.pop_back();
  text.append((4 - text.size() % 4) % 4, '=');
  auto data = base::from_base64(text);
  if (!data) json::fail({&path, "data"}, "is not base64");
  return std::move(*data);
}

}  // namespace

PubsubMessage read_pubsub_message(const json::Value& value, const json::Path& path) {
  if (!value.is_object()) json::fail_type(path, "an object", value);
  const auto& object = value.get_object();
  PubsubMessage message;
  message.data = decode_data(text_member(object, "data", "data", path), path);
  if (const auto* attributes = member(object, "attributes", "attributes"))
    message.attributes =
        json::from_value<std::map<std::string, std::string>>(*attributes, json::Mode::strict, {&path, "attributes"});
  message.ordering_key = text_member(object, "orderingKey", "ordering_key", path);
  message.id = text_member(object, "messageId", "message_id", path);
  if (const auto* at = member(object, "publishTime", "publish_time"))
    message.published_at = json::from_value<base::Instant>(*at, json::Mode::strict, {&path, "publishTime"});
  return message;
}

json::Value write_pubsub_message(const PubsubMessage& message) {
  json::Object object;
  if (!message.data.empty()) object["data"] = base::base64(message.data);
  if (!message.attributes.empty()) object["attributes"] = json::to_value(message.attributes);
  if (!message.ordering_key.empty()) object["orderingKey"] = message.ordering_key;
  return object;
}

std::size_t size_of(const PubsubMessage& message) {
  constexpr std::size_t kAround = 64;  // names, quotes and braces
  std::size_t size = kAround + (message.data.size() + 2) / 3 * 4 + message.ordering_key.size();
  for (const auto& [name, value] : message.attributes) size += name.size() + value.size() + 8;
  return size;
}

std::string topic_name(std::string_view field, std::string_view project, std::string_view topic) {
  return full_name(field, project, "topics", topic);
}

std::string subscription_name(std::string_view field, std::string_view project, std::string_view subscription) {
  return full_name(field, project, "subscriptions", subscription);
}

}  // namespace slipway::google
