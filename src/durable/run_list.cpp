#include "durable/run_list.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <unordered_set>

#include "base/enum_name.h"
#include "base/id_time.h"
#include "durable/run_rows.h"

namespace slipway::durable::journal {
namespace {

using store::Parameter;

// Ids are made from a clock that is never behind, and that is only ahead of `started_at` after it was set back.
constexpr Duration kClockSlack = std::chrono::hours(1);
// Greater than every id, in every collation.
constexpr std::string_view kAfterAllIds = "run_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

// A part of the list that one index holds in the list's order. Parts of a list have no run in common.
struct Part {
  std::string_view condition;       // on the index's columns
  std::vector<std::string> values;  // of its parameters, from $1
};

using base::name_of;

bool contains(const std::vector<RunStatus>& statuses, RunStatus status) {
  return std::ranges::find(statuses, status) != statuses.end();
}

// Most runs are completed: the others have indexes of their own, whose condition is said in their words.
std::vector<Part> parts_not_completed(const Filter& filter) {
  std::vector<Part> parts;
  for (const auto status : filter.statuses) {
    if (filter.owner_id)
      parts.push_back({"owner_id = $1 AND status = $2 AND status <> 'completed'", {*filter.owner_id, name_of(status)}});
    else
      parts.push_back({"status = $1 AND status <> 'completed'", {name_of(status)}});
  }
  return parts;
}

// By the filter that leaves the fewest runs, as far as that can be said beforehand.
std::vector<Part> parts_of(const Filter& filter) {
  if (filter.parent_id) return {{"parent_id = $1", {*filter.parent_id}}};
  if (filter.retry_of) return {{"retry_of = $1", {*filter.retry_of}}};
  if (filter.resource_id) return {{"resource_id = $1", {*filter.resource_id}}};
  if (filter.needs_attention == true && !filter.owner_id) return {{"needs_attention <> 0", {}}};
  if (!filter.statuses.empty() && !contains(filter.statuses, RunStatus::completed)) return parts_not_completed(filter);
  if (filter.owner_id) return {{"owner_id = $1", {*filter.owner_id}}};
  std::vector<Part> parts;
  if (filter.triggered_by) {
    parts = {{"owner_id = $1 AND triggered_by = $1", {*filter.triggered_by}},
             {"triggered_by = $1 AND triggered_by <> owner_id", {*filter.triggered_by}}};
  } else if (!filter.types.empty()) {
    for (const auto& type : filter.types) parts.push_back({"type = $1", {type}});
  } else if (filter.resource_type) {
    parts = {{"resource_type = $1", {*filter.resource_type}}};
  } else {
    parts = {{"", {}}};
  }
  return parts;
}

// Statements are prepared by their address: texts of the same content have the same one, for ever. There are few, as
// only the index and the order make a difference.
std::string_view lasting(std::string sql) {
  static std::mutex mutex;
  static std::unordered_set<std::string> texts;
  const std::lock_guard lock(mutex);
  return *texts.insert(std::move(sql)).first;
}

// A statement with its parameters, put together piece by piece.
class Statement {
 public:
  std::string text;
  std::string add(Parameter value) {
    parameters_.push_back(std::move(value));
    return "$" + std::to_string(parameters_.size());
  }
  store::Rows ask(store::Transaction& tx) { return tx.query(lasting(std::move(text)), parameters_); }

 private:
  std::vector<Parameter> parameters_;
};

// ids between these, both excluded
struct Bounds {
  std::string above, below = std::string(kAfterAllIds);
};

Bounds bounds_of(const Filter& filter, const std::string& after) {
  Bounds bounds;
  if (filter.since) bounds.above = base::id_beginning(base::RunKind::prefix, *filter.since - kClockSlack);
  if (filter.until) bounds.below = base::id_beginning(base::RunKind::prefix, *filter.until + kClockSlack);
  if (after.empty()) return bounds;
  if (filter.order == RunOrder::newest_first) {
    bounds.below = std::min(bounds.below, after);
  } else {
    bounds.above = std::max(bounds.above, after);
  }
  return bounds;
}

std::string index_condition(Statement& statement, const Part& part, const Bounds& bounds) {
  std::string condition;
  if (!part.condition.empty()) {
    for (const auto& value : part.values) statement.add(value);
    condition = std::string(part.condition) + " AND ";
  }
  return condition + "id > " + statement.add(bounds.above) + " AND id < " + statement.add(bounds.below);
}

json::Array names_of(const std::vector<RunStatus>& statuses) {
  json::Array names;
  for (const auto status : statuses) names.emplace_back(std::string_view(name_of(status)));
  return names;
}

// Whether there is more to look at in a run than what its index entry says.
bool has_more_conditions(const Filter& filter) {
  int given = 0;
  for (const bool is_given :
       {!filter.types.empty(), !filter.statuses.empty(), filter.resource_type.has_value(),
        filter.resource_id.has_value(), filter.triggered_by.has_value(), filter.owner_id.has_value(),
        filter.parent_id.has_value(), filter.retry_of.has_value(), filter.needs_attention.has_value()})
    given += is_given ? 1 : 0;
  const bool is_of_index =
      given == 0 || (given == 1 && !contains(filter.statuses, RunStatus::completed) && filter.needs_attention != false);
  return !is_of_index || filter.since || filter.until;
}

// All conditions, those of the index included: an absent one is null and matches all, so that there is one text for
// every combination.
std::string all_conditions(Statement& statement, const Filter& filter, store::Dialect dialect) {
  const std::string elements =
      dialect == store::Dialect::postgres ? "json_array_elements_text(CAST(# AS json))" : "json_each(#)";
  std::string all;
  const auto both = [&](std::string condition) { all += (all.empty() ? "" : " AND ") + std::move(condition); };
  const auto equals = [&](const std::string& column, Parameter value) {
    const auto name = statement.add(std::move(value));
    both("(" + column + " = " + name + " OR " + name + " IS NULL)");
  };
  const auto is_among = [&](const std::string& column, const json::Array& values) {
    const auto name = statement.add(values.empty() ? Parameter(std::nullopt) : Parameter(json::print_value(values)));
    auto from = elements;
    from.replace(from.find('#'), 1, name);
    both("(" + column + " IN (SELECT value FROM " + from + ") OR " + name + " IS NULL)");
  };
  is_among("type", json::to_value(filter.types).as_array());
  is_among("status", names_of(filter.statuses));
  equals("resource_type", filter.resource_type);
  equals("resource_id", filter.resource_id);
  equals("triggered_by", filter.triggered_by);
  equals("owner_id", filter.owner_id);
  equals("parent_id", filter.parent_id);
  equals("retry_of", filter.retry_of);
  equals("needs_attention", filter.needs_attention);
  both("started_at >= " + statement.add(filter.since.value_or(base::from_unix_ms(0))));
  both("started_at < " + statement.add(filter.until.value_or(base::from_unix_ms(std::int64_t(1) << 60))));
  return "(" + all + ") IS TRUE";  // one condition to the planners: they have been told what to read
}

std::vector<Row> list_part(store::Transaction& tx, const Filter& filter, const Part& part, std::int64_t limit,
                           std::int64_t offset) {
  Statement statement;
  std::string where = index_condition(statement, part, bounds_of(filter, filter.after));
  if (has_more_conditions(filter)) where += " AND " + all_conditions(statement, filter, tx.dialect());
  statement.text = std::string(kSelectRuns) + "WHERE " + where + " ORDER BY id " +
                   (filter.order == RunOrder::newest_first ? "DESC" : "ASC") + " LIMIT " + statement.add(limit) +
                   " OFFSET " + statement.add(offset);
  return to_rows(statement.ask(tx));
}

// ---- totals

struct Counted {
  std::int64_t looked_at = 0, matching = 0;
  std::int64_t first = 0, last = 0;  // SQLite: the rowids between which they lie; these are given out in order
};

Counted count_some(store::Transaction& tx, const Filter& filter, const Part& part) {
  const bool is_sqlite = tx.dialect() == store::Dialect::sqlite;
  const bool looks_inside = has_more_conditions(filter);
  Statement statement;
  const auto where = index_condition(statement, part, bounds_of(filter, ""));
  const auto matches = looks_inside
                           ? "CASE WHEN " + all_conditions(statement, filter, tx.dialect()) + " THEN 1 ELSE 0 END"
                           : std::string("1");
  const std::string place = is_sqlite ? "rowid" : "0";
  statement.text =
      "SELECT COUNT(*), COALESCE(SUM(matches), 0), COALESCE(MIN(place), 0), COALESCE(MAX(place), 0) FROM "
      "(SELECT " +
      matches + " AS matches, " + place + " AS place FROM runs WHERE " + where + " ORDER BY id DESC LIMIT " +
      statement.add(kCountedMax + 1) + ") AS newest";
  const auto row = std::move(statement.ask(tx).front());
  return {row.integer(0), row.integer(1), row.integer(2), row.integer(3)};
}

// How many entries of the index lie within the bounds: of how many rows the newest ones are, in all of them.
double size_on_sqlite(store::Transaction& tx, const Filter& filter, const Counted& some) {
  const auto bounds = bounds_of(filter, "");
  const auto rows = tx.query(
      "SELECT (SELECT rowid FROM runs WHERE id > $1 ORDER BY id LIMIT 1), "
      "(SELECT rowid FROM runs WHERE id < $2 ORDER BY id DESC LIMIT 1)",
      {bounds.above, bounds.below});
  const auto of_all = rows.front().integer_or_null(1).value_or(0) - rows.front().integer_or_null(0).value_or(0) + 1;
  return double(some.looked_at) * double(of_all) / double(std::max<std::int64_t>(some.last - some.first + 1, 1));
}

// The same as the server's own statistics have it.
double size_on_postgres(store::Transaction& tx, const Filter& filter, const Part& part) {
  Statement statement;
  const auto where = index_condition(statement, part, bounds_of(filter, ""));
  statement.text = "EXPLAIN (FORMAT JSON) SELECT 1 FROM runs WHERE " + where;
  const auto plan = json::parse_value(statement.ask(tx).front().text(0));
  return plan.at(0).at("Plan").at("Plan Rows").to_number<double>();
}

}  // namespace

std::vector<Row> list(store::Transaction& tx, const Filter& filter) {
  const auto parts = parts_of(filter);
  if (parts.size() == 1) return list_part(tx, filter, parts.front(), filter.limit, filter.offset);
  std::vector<Row> rows;
  for (const auto& part : parts)
    std::ranges::move(list_part(tx, filter, part, filter.offset + filter.limit, 0), std::back_inserter(rows));
  const auto id = [](const Row& row) -> const std::string& { return row.record.id.str(); };
  if (filter.order == RunOrder::newest_first) {
    std::ranges::sort(rows, std::greater(), id);
  } else {
    std::ranges::sort(rows, std::less(), id);
  }
  rows.erase(rows.begin(), rows.begin() + std::min<std::ptrdiff_t>(filter.offset, std::ssize(rows)));
  if (std::ssize(rows) > filter.limit) rows.erase(rows.begin() + filter.limit, rows.end());
  return rows;
}

Total total(store::Transaction& tx, const Filter& filter) {
  Total total;
  double estimated = 0;
  for (const auto& part : parts_of(filter)) {
    const auto some = count_some(tx, filter, part);
    total.count += some.matching;
    if (some.looked_at <= kCountedMax) {
      estimated += double(some.matching);
      continue;
    }
    total.is_estimate = true;
    const auto size =
        tx.dialect() == store::Dialect::sqlite ? size_on_sqlite(tx, filter, some) : size_on_postgres(tx, filter, part);
    estimated += std::max(size, double(some.looked_at)) * double(some.matching) / double(some.looked_at);
  }
  if (total.is_estimate) total.count = std::max(total.count, std::int64_t(estimated));
  return total;
}

}  // namespace slipway::durable::journal
