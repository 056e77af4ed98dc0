#include "simulator/faults.h"

#include <algorithm>

namespace slipway::simulator {

namespace {

bool glob_matches(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool fits(const FaultRule& rule, const CallFacts& facts) {
  return (rule.service.empty() || rule.service == facts.service) &&
         (rule.call.empty() || glob_matches(facts.call, rule.call)) &&
         (rule.method.empty() || rule.method == facts.method) &&
         (rule.path.empty() || glob_matches(facts.path, rule.path));
}

std::string message_or(const FaultRule& rule, std::string_view otherwise) {
  return rule.message.empty() ? std::string(otherwise) : rule.message;
}

Code code_or(const FaultRule& rule, Code otherwise) {
  if (rule.code.empty()) return otherwise;
  return parse_code(rule.code).value_or(otherwise);
}

FaultRule read_rule(const json::Value& value) {
  try {
    FaultRule rule = json::from_value<FaultRule>(value, json::Mode::lenient);
    for (const auto& [key, unused] : value.get_object()) {
      const json::Value known = json::to_value(FaultRule{.seed = 0});
      if (!known.get_object().contains(key)) throw invalid_argument(std::string(key), "a rule has no such member");
    }
    if (!value.get_object().contains("kind")) throw invalid_argument("kind", "must be set");
    if (!rule.code.empty() && !parse_code(rule.code)) throw invalid_argument("code", "no canonical code");
    rule.seen = rule.struck = 0;
    return rule;
  } catch (const base::Error& error) {
    throw Failure(Code::invalid_argument, error.message());
  }
}

}  // namespace

void Faults::add(const json::Value& rules) {
  if (rules.is_object() && rules.get_object().contains("rules")) return add(rules.get_object().at("rules"));
  if (rules.is_object()) return add(json::Array{rules});
  if (!rules.is_array()) throw invalid_argument("rules", "expected a rule or a list of rules");
  std::vector<Entry> added;
  for (const auto& value : rules.get_array()) {
    FaultRule rule = read_rule(value);
    const std::uint64_t seed = rule.seed ? std::uint64_t(*rule.seed) : seed_ + rules_.size() + added.size();
    added.push_back({std::move(rule), base::SeededRandom(seed)});
  }
  std::ranges::move(added, std::back_inserter(rules_));
}

const FaultRule* Faults::decide(const CallFacts& facts) {
  for (auto& [rule, dice] : rules_) {
    if (!fits(rule, facts)) continue;
    const std::int64_t turn = ++rule.seen - rule.skip;
    if (turn <= 0 || (rule.times > 0 && rule.struck >= rule.times)) continue;
    if (!rule.nth.empty() && std::ranges::find(rule.nth, turn) == rule.nth.end()) continue;
    if (rule.probability < 1 && dice.fraction() >= rule.probability) continue;
    ++rule.struck;
    return &rule;
  }
  return nullptr;
}

json::Value Faults::to_json() const {
  json::Array rules;
  for (const auto& entry : rules_) rules.push_back(json::to_value(entry.rule));
  return json::Object{{"rules", std::move(rules)}};
}

void throw_refusal(const FaultRule& rule, std::string_view service, std::string_view project, std::string_view name) {
  const auto refuse = [&](Failure failure) {
    if (rule.retry_after_s > 0) throw std::move(failure).with_retry_after(std::chrono::seconds(rule.retry_after_s));
    throw failure;
  };
  switch (rule.kind) {
    case FaultKind::quota:
      return refuse(quota_forbidden(project, service));
    case FaultKind::permission:
      return refuse(permission_denied(rule.permission, name, service));
    case FaultKind::already_exists:
      return refuse(already_exists(name));
    case FaultKind::aborted:
      return refuse(Failure(Code::aborted, message_or(rule, "The operation was aborted: a concurrent change won.")));
    case FaultKind::throttled:
      return refuse(rate_exceeded(project, service, 60));
    case FaultKind::unauthenticated:
      return refuse(unauthenticated("ACCESS_TOKEN_EXPIRED", service));
    case FaultKind::server_error: {
      const Code code = rule.status == 503   ? Code::unavailable
                        : rule.status == 504 ? Code::deadline_exceeded
                                             : Code::internal;
      return refuse(Failure(code_or(rule, code), message_or(rule, "The service is currently unavailable."))
                        .with_http(rule.status));
    }
    case FaultKind::error: {
      const Code code = code_or(rule, Code::unknown);
      return refuse(Failure(code, message_or(rule, canonical_name(code))));
    }
    default:
      return;
  }
}

OperationPlan plan_of(const FaultRule& rule) {
  OperationPlan plan{.never_ends = rule.kind == FaultKind::operation_never_ends};
  if (rule.kind != FaultKind::operation_fails) return plan;
  const Code code = code_or(rule, Code::internal);
  plan.fails_with = Failure(code, message_or(rule, "The operation failed.")).status();
  if (code == Code::resource_exhausted && rule.message.empty())
    plan.fails_with = quota_exceeded("-", "compute", "CPUS", 24, "-").status();
  return plan;
}

bool loses_answer(FaultKind kind) {
  return kind == FaultKind::lost_answer || kind == FaultKind::hang_after || kind == FaultKind::truncated_body ||
         kind == FaultKind::cut_json;
}

}  // namespace slipway::simulator
