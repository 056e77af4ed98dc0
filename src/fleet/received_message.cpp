#include "fleet/received_message.h"

#include "base/digest.h"
#include "base/enum_name.h"

namespace slipway::fleet {
namespace {

constexpr std::int64_t kCountedMax = 10'000;

#define MESSAGE_COLUMNS(data)                                                                                       \
  "SELECT id, subscription, message_id, published_at, received_at, last_received_at, deliveries, outcome, run_id, " \
  "reason, explanation, " data                                                                                      \
  ", attributes, ordering_key, dead_letter_run_id, dead_letter_message_id, replayed_at, replayed_by "               \
  "FROM received_messages "

using base::name_of;

template <class IdType>
std::optional<std::string> text_of(const std::optional<IdType>& id) {
  return id ? std::optional(id->str()) : std::nullopt;
}

std::optional<base::RunId> run_or_null(const store::Row& row, std::size_t column) {
  const auto text = row.text_or_null(column);
  return text ? std::optional(base::RunId(*text)) : std::nullopt;
}

std::map<std::string, std::string> to_attributes(const std::optional<std::string>& text) {
  if (!text) return {};
  return json::from_value<std::map<std::string, std::string>>(json::parse_value(*text), json::Mode::lenient);
}

ReceivedMessage to_message(const store::Row& row) {
  const auto outcome = base::value_of<MessageOutcome>(row.text(7));
  ReceivedMessage message{.id = MessageId(row.text(0)),
                          .subscription = row.text(1),
                          .message_id = row.text(2),
                          .published_at = row.instant_or_null(3),
                          .received_at = row.instant(4),
                          .last_received_at = row.instant(5),
                          .deliveries = row.integer(6),
                          .outcome = outcome,
                          .run_id = run_or_null(row, 8),
                          .refusal = {},
                          .data = {},
                          .attributes = to_attributes(row.text_or_null(12)),
                          .ordering_key = row.text_or_null(13).value_or(""),
                          .dead_letter_run_id = run_or_null(row, 14),
                          .dead_letter_message_id = row.text_or_null(15),
                          .replayed_at = row.instant_or_null(16),
                          .replayed_by = row.text_or_null(17)};
  if (const auto reason = row.text_or_null(9)) message.refusal = {*reason, row.text_or_null(10).value_or("")};
  if (const auto data = row.text_or_null(11)) message.data = base::from_base64(*data);
  return message;
}

std::optional<ReceivedMessage> first_of(const store::Rows& rows) {
  return rows.empty() ? std::nullopt : std::optional(to_message(rows.front()));
}

// Only what is asked for, so that the indexes are used.
struct Condition {
  std::string text;
  std::vector<store::Parameter> parameters;

  std::string parameter(store::Parameter value) {
    parameters.push_back(std::move(value));
    return "$" + std::to_string(parameters.size());
  }
  void add(std::string_view comparison, store::Parameter value) {
    text += (text.empty() ? "WHERE " : "AND ") + std::string(comparison) + parameter(std::move(value)) + " ";
  }
};

Condition condition_of(const MessageFilter& filter) {
  Condition condition;
  if (filter.outcome) condition.add("outcome = ", name_of(*filter.outcome));
  if (filter.subscription) condition.add("subscription = ", *filter.subscription);
  if (filter.since) condition.add("received_at >= ", *filter.since);
  return condition;
}

}  // namespace

bool insert_or_count(store::Transaction& tx, const ReceivedMessage& message) {
  const bool refused = message.outcome == MessageOutcome::refused;
  const auto none = std::optional<std::string>();
  const auto rows = tx.query(
      "INSERT INTO received_messages (id, subscription, message_id, published_at, received_at, last_received_at, "
      "deliveries, outcome, run_id, reason, explanation, data, attributes, ordering_key, dead_letter_run_id) "
      "VALUES ($1, $2, $3, $4, $5, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13) "
      "ON CONFLICT (subscription, message_id) DO UPDATE SET deliveries = received_messages.deliveries + 1, "
      "last_received_at = excluded.last_received_at RETURNING deliveries",
      {message.id.str(), message.subscription, message.message_id, message.published_at, message.received_at,
       name_of(message.outcome), text_of(message.run_id), message.refusal ? message.refusal->reason : none,
       message.refusal ? message.refusal->explanation : none,
       refused && message.data ? std::optional(base::base64(*message.data)) : none,
       refused ? std::optional(json::print(message.attributes)) : none,
       message.ordering_key.empty() ? none : std::optional(message.ordering_key), text_of(message.dead_letter_run_id)});
  return rows.front().integer(0) == 1;
}

std::optional<ReceivedMessage> find_message(store::Transaction& tx, const MessageId& id) {
  return first_of(tx.query(MESSAGE_COLUMNS("data") "WHERE id = $1", {id.str()}));
}

std::optional<ReceivedMessage> find_message(store::Transaction& tx, std::string_view subscription,
                                            std::string_view message_id) {
  return first_of(
      tx.query(MESSAGE_COLUMNS("data") "WHERE subscription = $1 AND message_id = $2", {subscription, message_id}));
}

ReceivedMessage get_message_for_update(store::Transaction& tx, const MessageId& id) {
  // A change that changes nothing: the row is locked on both databases.
  tx.execute("UPDATE received_messages SET deliveries = deliveries WHERE id = $1", {id.str()});
  auto found = find_message(tx, id);
  if (!found) throw base::not_found("message", id.str());
  return *found;
}

std::vector<ReceivedMessage> list_messages(store::Transaction& tx, const MessageFilter& filter) {
  auto condition = condition_of(filter);
  if (!filter.before.empty()) condition.add("id < ", filter.before);
  const auto limit = condition.parameter(filter.limit);
  std::vector<ReceivedMessage> messages;
  for (const auto& row :
       tx.query(MESSAGE_COLUMNS("NULL") + condition.text + "ORDER BY id DESC LIMIT " + limit, condition.parameters))
    messages.push_back(to_message(row));
  return messages;
}

MessageCount count_messages(store::Transaction& tx, const MessageFilter& filter) {
  auto condition = condition_of(filter);
  const auto limit = condition.parameter(kCountedMax + 1);
  const auto rows = tx.query(
      "SELECT COUNT(*) FROM (SELECT 1 FROM received_messages " + condition.text + "LIMIT " + limit + ") AS counted",
      condition.parameters);
  const auto count = rows.front().integer(0);
  return {std::min(count, kCountedMax), count > kCountedMax};
}

void accept_replayed(store::Transaction& tx, const MessageId& id, const base::RunId& run, const std::string& by,
                     base::Instant now) {
  const auto changed = tx.execute(
      "UPDATE received_messages SET outcome = $2, run_id = $3, replayed_at = $4, replayed_by = $5 "
      "WHERE id = $1 AND outcome = $6",
      {id.str(), name_of(MessageOutcome::accepted), run.str(), now, by, name_of(MessageOutcome::refused)});
  if (changed == 0) throw base::invalid_state("the message was accepted already");
}

void set_dead_letter(store::Transaction& tx, const MessageId& id, const std::string& dead_letter_message_id) {
  tx.execute("UPDATE received_messages SET dead_letter_message_id = $2 WHERE id = $1",
             {id.str(), dead_letter_message_id});
}

std::int64_t forget_messages(store::Transaction& tx, base::Instant now) {
  return tx.execute(
      "DELETE FROM received_messages WHERE id IN "
      "(SELECT id FROM received_messages WHERE last_received_at < $1 ORDER BY last_received_at LIMIT $2)",
      {now - kMessagesKept, kRemovedAtOnce});
}

}  // namespace slipway::fleet
