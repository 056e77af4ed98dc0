// audit list, show, export, verify (admin only; verify of a file needs no hub).

#include <CLI/CLI.hpp>
#include <fstream>
#include <istream>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "fleet/audit_chain.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

struct EntryView {
  std::int64_t seq = 0;
  base::Instant at;
  std::string actor_id, action, resource_type, resource_id, outcome, request_id, remote;
  json::Value details;
  std::string prev_hash, hash;
};
SLIPWAY_JSON_SNAKE(EntryView, seq, at, actor_id, action, resource_type, resource_id, outcome, request_id, remote,
                   details, prev_hash, hash)

struct FaultView {
  std::int64_t seq = 0;
  std::string reason;
};
SLIPWAY_JSON_CAMEL(FaultView, seq, reason)

struct VerifiedView {
  bool intact = false, complete = false;
  std::int64_t checked = 0;
  std::string reached, head;
  bool seal_fits = false;
  std::optional<FaultView> fault;
};

SLIPWAY_JSON_CAMEL(VerifiedView, intact, complete, checked, reached, head, seal_fits, fault)

std::string resource(const EntryView& entry) { return printable(entry.resource_type + "/" + entry.resource_id); }

std::string outcome(const EntryView& entry, const Style& style) {
  return entry.outcome == "success" ? printable(entry.outcome) : style.red(printable(entry.outcome));
}

// ---- list, show

struct Filters {
  std::string actor, action, resource_type, resource_id, outcome, since, until;
  std::size_t limit = 50;
};

std::string with_filters(std::string target, const std::vector<std::pair<const char*, std::string>>& filters) {
  std::string joint = "?";
  for (const auto& [name, value] : filters)
    if (!value.empty()) target += std::exchange(joint, "&") + name + "=" + net::percent_encode(value);
  return target;
}

int list(Invocation& invocation, const Filters& filters) {
  const base::Instant now = invocation.world.clock.now();
  const auto target = with_filters("/v1/audit", {{"actor", filters.actor},
                                                 {"action", filters.action},
                                                 {"resourceType", filters.resource_type},
                                                 {"resourceId", filters.resource_id},
                                                 {"outcome", filters.outcome},
                                                 {"since", as_time(filters.since, now)},
                                                 {"until", as_time(filters.until, now)}});
  const json::Array entries = invocation.hub().list(target, filters.limit);
  if (invocation.wants_json()) {
    invocation.print_json(entries);
  } else if (entries.empty()) {
    invocation.world.err << "No such entries.\n";
  } else {
    const Style style = invocation.out_style();
    Table table({"SEQ", "AGE", "ACTOR", "ACTION", "RESOURCE", "OUTCOME", "FROM"});
    for (const json::Value& value : entries) {
      const auto entry = read_view<EntryView>(value);
      table.add({std::to_string(entry.seq), age(entry.at, now), printable(entry.actor_id), printable(entry.action),
                 resource(entry), outcome(entry, style), printable(entry.remote)});
    }
    table.print(invocation.world.out, style);
  }
  return kOk;
}

void add_list(CLI::App& group, Invocation& invocation) {
  auto filters = std::make_shared<Filters>();
  CLI::App& command =
      add_command(group, invocation, "list", "List entries, newest first",
                  "  slipway audit list --action workspace. --since 2d\n  slipway audit list --outcome denied",
                  [&invocation, filters] { return list(invocation, *filters); });
  command.alias("ls");
  command.add_option("--actor", filters->actor, "a user id, 'hub' or 'pubsub'");
  command.add_option("--action", filters->action, "what was done, or how that begins");
  command.add_option("--resource-type", filters->resource_type, "kind of what it was done to");
  command.add_option("--resource", filters->resource_id, "id of what it was done to");
  command.add_option("--outcome", filters->outcome, "success, failure or denied");
  command.add_option("--since", filters->since, "a time, or how long ago: 2025-01-12T10:00:00Z, 15m, 2h, 7d");
  command.add_option("--until", filters->until, "likewise");
  command.add_option("--limit", filters->limit, "how many, at most")->capture_default_str();
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto seq = std::make_shared<std::int64_t>();
  CLI::App& command =
      add_command(group, invocation, "show", "Show one entry", "  slipway audit show 1203", [&invocation, seq] {
        const json::Value answer = invocation.hub().get("/v1/audit/" + std::to_string(*seq));
        if (invocation.wants_json()) {
          invocation.print_json(answer);
          return kOk;
        }
        const auto entry = read_view<EntryView>(answer);
        Facts facts;
        facts.add("Entry", std::to_string(entry.seq));
        facts.add("At", base::format_rfc3339(entry.at));
        facts.add("Actor", printable(entry.actor_id));
        facts.add("Action", printable(entry.action));
        facts.add("Resource", resource(entry));
        facts.add("Outcome", outcome(entry, invocation.out_style()));
        facts.add("Request", printable(entry.request_id));
        facts.add("From", printable(entry.remote));
        facts.add("Details", printable(json::print_value(entry.details)));
        facts.add("Hash", printable(entry.hash));
        facts.add("Before it", printable(entry.prev_hash));
        facts.print(invocation.world.out, invocation.out_style());
        return kOk;
      });
  command.add_option("seq", *seq, "its place in the chain")->required();
}

// ---- export

void add_export(CLI::App& group, Invocation& invocation) {
  struct Range {
    std::string since, until;
  };
  auto range = std::make_shared<Range>();
  CLI::App& command = add_command(group, invocation, "export", "Print entries as JSON lines, oldest first",
                                  "  slipway audit export > audit.jsonl\n  slipway audit export --since 2026-01-01 "
                                  "--until 2026-02-01 > january.jsonl",
                                  [&invocation, range] {
                                    const base::Instant now = invocation.world.clock.now();
                                    const auto target = with_filters(
                                        "/v1/audit/export",
                                        {{"since", as_time(range->since, now)}, {"until", as_time(range->until, now)}});
                                    invocation.hub().download(target, [&](std::string_view bytes) {
                                      invocation.world.out << bytes;
                                      return bool(invocation.world.out);
                                    });
                                    invocation.world.out.flush();
                                    if (!invocation.world.out)
                                      throw base::internal_error("the output could not be written");
                                    return kOk;
                                  });
  command.add_option("--since", range->since, "from the first entry of this time: 2025-01-12T10:00:00Z, 15m, 2h, 7d");
  command.add_option("--until", range->until, "to the last entry before this time");
}

// ---- verify

// What verification came to, of a hub's log or of a file.
struct Verdict {
  std::int64_t checked = 0;
  fleet::AuditPlace from, reached;
  std::optional<std::string> fault;
  std::optional<bool> seal_fits;  // a file has none
};

int print_verdict(const Invocation& invocation, const Verdict& verdict) {
  const bool intact = !verdict.fault && verdict.seal_fits.value_or(true);
  if (invocation.wants_json()) {
    json::Object object{{"intact", intact}, {"checked", verdict.checked}, {"head", verdict.reached.str()}};
    if (verdict.from.seq > 0) object["from"] = verdict.from.str();
    if (verdict.seal_fits) object["sealFits"] = *verdict.seal_fits;
    if (verdict.fault) object["fault"] = *verdict.fault;
    invocation.print_json(object);
    return intact ? kOk : kFailed;
  }
  const Style style = invocation.out_style();
  if (verdict.fault) {
    invocation.world.out << style.red("NOT INTACT") << ": " << printable(*verdict.fault) << '\n';
  } else if (!intact) {
    invocation.world.out << style.red("NOT INTACT")
                         << ": the head's seal does not fit: the log was made by somebody without the hub's key\n";
  } else {
    const std::string from = verdict.from.seq == 0 ? "" : ", after entry " + std::to_string(verdict.from.seq);
    invocation.world.out << "Intact: " << verdict.checked << (verdict.checked == 1 ? " entry" : " entries") << from
                         << ".\nHead: " << verdict.reached.str() << '\n';
  }
  return intact ? kOk : kFailed;
}

std::string entry_fault(std::int64_t seq, const std::string& reason) {
  return "entry " + std::to_string(seq) + ": " + reason;
}

std::string not_as_expected(const fleet::AuditPlace& expected) {
  return "entry " + std::to_string(expected.seq) + " is not the one that is expected: the log was made anew";
}

fleet::AuditPlace place_of(const std::string& text) {
  return fleet::parse_audit_place(text).value_or(fleet::AuditPlace{});
}

Verdict verify_hub(HubClient& hub, const std::optional<fleet::AuditPlace>& expected) {
  Verdict verdict;
  VerifiedView view;
  do {
    view = read_view<VerifiedView>(
        hub.get("/v1/audit/verify" + (verdict.checked == 0 ? "" : "?from=" + net::percent_encode(view.reached))));
    verdict.checked += view.checked;
  } while (!view.complete && !view.fault);
  verdict.reached = place_of(view.reached);
  verdict.seal_fits = view.seal_fits;
  if (view.fault) verdict.fault = entry_fault(view.fault->seq, view.fault->reason);
  if (verdict.fault || !expected || expected->seq == 0) return verdict;
  if (expected->seq > verdict.reached.seq) {
    verdict.fault = "the log ends with entry " + std::to_string(verdict.reached.seq) + ", and entry " +
                    std::to_string(expected->seq) + " is expected";
    return verdict;
  }
  const auto entry = read_view<EntryView>(hub.get("/v1/audit/" + std::to_string(expected->seq)));
  if (entry.hash != expected->hash) verdict.fault = not_as_expected(*expected);
  return verdict;
}

// A part of the log begins somewhere: what is before its first line is taken for granted.
fleet::AuditPlace beginning_of(const std::string& line) {
  try {
    const auto entry = json::parse<EntryView>(line, json::Mode::lenient);
    if (entry.seq > 1) return {entry.seq - 1, entry.prev_hash};
  } catch (const base::Error&) {  // the check says what is wrong with it
  }
  return {};
}

Verdict verify_lines(std::istream& lines, const std::optional<fleet::AuditPlace>& expected) {
  Verdict verdict;
  fleet::AuditCheck check;
  bool has_expected = !expected;
  for (std::string line; std::getline(lines, line);) {
    if (verdict.checked == 0) {
      verdict.from = beginning_of(line);
      check = fleet::AuditCheck(verdict.from);
      has_expected = has_expected || check.place() == *expected;
    }
    if (const auto fault = check.follow_line(line)) {
      verdict.fault = "line " + std::to_string(verdict.checked + 1) + ", " + entry_fault(fault->seq, fault->reason);
      break;
    }
    ++verdict.checked;
    if (!expected || check.place().seq != expected->seq) continue;
    has_expected = true;
    if (check.place() != *expected) verdict.fault = not_as_expected(*expected);
  }
  verdict.reached = check.place();
  if (!verdict.fault && verdict.checked == 0) verdict.fault = "there are no entries in it";
  if (!verdict.fault && !has_expected) verdict.fault = "entry " + std::to_string(expected->seq) + " is not in it";
  return verdict;
}

void add_verify(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string file, expected;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "verify", "Say whether the log, or an export of it, is as it was written",
      "  slipway audit verify\n  slipway audit verify audit.jsonl --expect-head 1203:9f0c…", [&invocation, options] {
        std::optional<fleet::AuditPlace> expected;
        if (!options->expected.empty()) {
          expected = fleet::parse_audit_place(options->expected);
          if (!expected) throw base::validation_error("--expect-head", "must be SEQ:HASH, as 'audit verify' prints it");
        }
        if (options->file.empty()) return print_verdict(invocation, verify_hub(invocation.hub(), expected));
        if (options->file == "-") return print_verdict(invocation, verify_lines(invocation.world.in, expected));
        std::ifstream file(invocation.world.working_directory / options->file, std::ios::binary);
        if (!file) throw base::not_found("file", options->file);
        return print_verdict(invocation, verify_lines(file, expected));
      });
  command.add_option("file", options->file,
                     "an export; '-' reads it from the standard input; without one, the hub's log");
  command.add_option("--expect-head", options->expected, "a head noted earlier, which must be in it");
}

}  // namespace

void add_audit_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "audit", "Who did what, and whether that log is as it was written (admin only)");
  add_list(group, invocation);
  add_show(group, invocation);
  add_export(group, invocation);
  add_verify(group, invocation);
}

}  // namespace slipway::app::cli
