// The audit log (WP-19), for admins: lists, one entry, an export as JSON lines, and whether it is as it was written.

#include <charconv>

#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/audit_chain.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kFilterMax = 200;  // characters
constexpr std::int64_t kExportPage = 500;
// What one request goes through at most: a few seconds, within the patience of every proxy.
constexpr std::int64_t kVerifiedAtOnce = 200'000;

struct ListAudit {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
  std::optional<std::string> actor, action, resource_type, resource_id;
  std::optional<fleet::AuditOutcome> outcome;
  std::optional<base::Instant> since, until;
};
SLIPWAY_JSON_CAMEL(ListAudit, limit, cursor, actor, action, resource_type, resource_id, outcome, since, until)
inline const json::Rules& json_rules(const ListAudit*) {
  static const json::Rules rules{
      kLimitRule,
      kCursorRule,
      {.member = "actor", .description = "By this user's id, `hub` or `pubsub`", .max_length = kFilterMax},
      {.member = "action", .description = "Of actions that begin so, e.g. `workspace.`", .max_length = kFilterMax},
      {.member = "resource_type", .description = "About such resources", .max_length = kFilterMax},
      {.member = "resource_id", .description = "About this resource", .max_length = kFilterMax},
      {.member = "outcome", .description = "With this outcome"},
      {.member = "since", .description = "Done at or after"},
      {.member = "until", .description = "Done before"}};
  return rules;
}

struct ExportQuery {
  std::optional<base::Instant> since, until;
};
SLIPWAY_JSON_CAMEL(ExportQuery, since, until)
inline const json::Rules& json_rules(const ExportQuery*) {
  static const json::Rules rules{{.member = "since", .description = "From the first entry that was done at or after"},
                                 {.member = "until", .description = "To the last entry that was done before"}};
  return rules;
}

struct VerifyQuery {
  std::optional<std::string> from;
};
SLIPWAY_JSON_CAMEL(VerifyQuery, from)
inline const json::Rules& json_rules(const VerifyQuery*) {
  static const json::Rules rules{
      {.member = "from",
       .description = "After this place, which is taken for granted: `SEQ:HASH`, as `reached` of an answer before",
       .max_length = kFilterMax}};
  return rules;
}

struct FaultView {
  std::int64_t seq = 0;
  std::string reason;
};
SLIPWAY_JSON_CAMEL(FaultView, seq, reason)
inline const json::Rules& json_rules(const FaultView*) {
  static const json::Rules rules{
      {.member = "seq", .description = "The first entry that is not as it was written, or is missing"},
      {.member = "reason", .description = "For people"}};
  return rules;
}

struct VerifyView {
  bool intact = false;
  bool complete = false;
  std::int64_t checked = 0;
  std::string reached;
  std::string head;
  bool seal_fits = false;
  std::optional<FaultView> fault;
};
SLIPWAY_JSON_CAMEL(VerifyView, intact, complete, checked, reached, head, seal_fits, fault)
inline const json::Rules& json_rules(const VerifyView*) {
  static const json::Rules rules{
      {.member = "intact", .description = "No fault in what was looked at, and the head's seal fits"},
      {.member = "complete", .description = "The end was reached; else ask again with `from` = `reached`"},
      {.member = "checked", .description = "Entries that this request went through"},
      {.member = "reached", .description = "Verified up to here: `SEQ:HASH`"},
      {.member = "head", .description = "The chain's head: `SEQ:HASH`; worth being noted elsewhere"},
      {.member = "seal_fits", .description = "Whether a hub with this key has written that head"}};
  return rules;
}

Answer list_entries(Call& call) {
  const auto query = parse_query<ListAudit>(call);
  const auto paging = paging_of(query);
  const auto before = read_number_cursor(call, paging.cursor);
  const fleet::AuditFilter filter{query.actor,   query.action, query.resource_type, query.resource_id,
                                  query.outcome, query.since,  query.until};
  std::vector<fleet::AuditEntry> entries;
  Page page{.page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    entries = fleet::list_audit(tx, filter, before, paging.limit + 1);
    page.total = fleet::count_audit(tx, filter);
  });
  page.has_more = std::int64_t(entries.size()) > paging.limit;
  if (page.has_more) {
    entries.pop_back();
    page.next_cursor = make_cursor(call, std::to_string(entries.back().seq));
  }
  json::Array items;
  for (const auto& entry : entries) items.push_back(json::to_value(entry));
  co_return list(call.meta(), std::move(items), page);
}

Answer get_entry(Call& call) {
  parse_query<NoQuery>(call);
  const std::string& text = call.parameters.at(0);
  std::int64_t seq = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (failure != std::errc() || end != text.data() + text.size()) throw base::not_found("audit entry", text);
  std::optional<fleet::AuditEntry> entry;
  co_await read(call.hub, [&](store::Transaction& tx) { entry = fleet::find_audit(tx, seq); });
  if (!entry) throw base::not_found("audit entry", text);
  co_return call.success(200, json::to_value(*entry));
}

// A page after the other; a reader sees by the end of the last chunk that nothing was cut off.
Answer export_entries(Call& call) {
  const auto query = parse_query<ExportQuery>(call);
  fleet::AuditRange range;
  std::string lines;
  const auto next_page = [&](store::Transaction& tx) {
    auto rest = range;
    lines = fleet::export_audit(tx, rest, kExportPage);
    range = rest;
  };
  co_await read(call.hub, [&](store::Transaction& tx) { range = fleet::audit_range(tx, query.since, query.until); });
  co_await read(call.hub, next_page);
  net::Response head{.status = 200, .headers = {}, .body = std::move(lines)};
  head.headers.set("Content-Type", "application/jsonl");
  head.headers.set("Content-Disposition", "attachment; filename=\"slipway-audit.jsonl\"");
  head.headers.set("Cache-Control", "no-store");
  head.headers.set("X-Request-Id", call.request_id);
  auto stream = co_await call.exchange.start_stream(std::move(head));
  while (range.first <= range.last) {
    co_await read(call.hub, next_page);
    if (!lines.empty() && !co_await stream->write(std::move(lines))) co_return std::nullopt;
  }
  co_await stream->finish();
  co_return std::nullopt;
}

Answer verify(Call& call) {
  const auto query = parse_query<VerifyQuery>(call);
  fleet::AuditPlace reached;
  if (query.from) {
    const auto given = fleet::parse_audit_place(*query.from);
    if (!given) throw base::validation_error("from", "must be SEQ:HASH");
    reached = *given;
  }
  const fleet::AuditChain chain(call.hub.sealer);
  fleet::AuditReport report;
  std::int64_t checked = 0;
  do {
    co_await read(call.hub, [&](store::Transaction& tx) { report = fleet::verify_audit(tx, chain, reached); });
    reached = report.reached;
    checked += report.checked;
  } while (!report.is_complete && !report.fault && checked < kVerifiedAtOnce && !call.hub.draining);
  VerifyView view{.intact = !report.fault && report.seal_fits,
                  .complete = report.is_complete,
                  .checked = checked,
                  .reached = reached.str(),
                  .head = report.head.str(),
                  .seal_fits = report.seal_fits,
                  .fault = {}};
  if (report.fault) view.fault = FaultView{report.fault->seq, report.fault->reason};
  co_return call.success(200, json::to_value(view));
}

}  // namespace

void add_audit_routes(Router& router) {
  const std::string base = "/v1/audit";
  router.add(net::Method::get, base, Permission::admin, list_entries,
             {.id = "listAudit",
              .tag = "Audit",
              .summary = "Who did what to what, newest first",
              .query = query_of<ListAudit>(),
              .answer = page_of<fleet::AuditEntry>()});
  router.add(net::Method::get, base + "/export", Permission::admin, export_entries,
             {.id = "exportAudit",
              .tag = "Audit",
              .summary = "The entries as JSON lines, oldest first",
              .description = "What each line is, byte by byte, and how to verify it: docs/audit.md.",
              .query = query_of<ExportQuery>(),
              .answer = answer_of(AnswerShape::lines)});
  router.add(net::Method::get, base + "/verify", Permission::admin, verify,
             {.id = "verifyAudit",
              .tag = "Audit",
              .summary = "Whether the entries are as they were written",
              .query = query_of<VerifyQuery>(),
              .answer = one<VerifyView>()});
  router.add(net::Method::get, base + "/:seq", Permission::admin, get_entry,
             {.id = "getAuditEntry", .tag = "Audit", .summary = "One entry", .answer = one<fleet::AuditEntry>()});
}

}  // namespace slipway::api
