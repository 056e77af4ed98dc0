// JobRunner: what each type of job does with its session.

#include <algorithm>

#include "provisioner/manifest.h"
#include "runner/job_runner.h"
#include "runner/placeholder_values.h"

namespace slipway::runner {

using base::ErrorClass;
using fleet::JobPhase;
using fleet::JobType;
using fleet::LogLevel;
using fleet::NamedValue;
using fleet::Resource;
using fleet::Transition;

namespace {

std::int64_t daily_cost(const std::vector<Resource>& resources) {
  std::int64_t sum = 0;
  for (const auto& resource : resources) sum += resource.daily_cost;
  return sum;
}

std::string_view stage_of(Transition transition) {
  switch (transition) {
    case Transition::start:
      return "Starting workspace";
    case Transition::stop:
      return "Stopping workspace";
    case Transition::destroy:
      return "Destroying workspace";
  }
  return "";
}

}  // namespace

void JobRunner::begin_parse() {
  if (stop_here()) return;
  begin(Stage::parsing, "Parsing template parameters");
  updates_.set_phase(JobPhase::parse);
  request(provisioner::Parse{});
}

void JobRunner::on_parsed(provisioner::ParseComplete result) {
  if (result.error) return fail(*result.error);
  if (stop_here()) return;
  stage_ = Stage::reporting_parsed;
  provisioner::add_declared(result.parsed, facts_.declared);
  parameters_ = placeholder_parameters(result.parsed.parameters);
  redactor_.add(parameters_);
  auto declared = result.parsed.variables;
  updates_.report(std::move(result.parsed), [this, declared = std::move(declared)](
                                                std::expected<std::vector<NamedValue>, base::Error> values) mutable {
    if (!values) return fail(values.error(), "the hub does not take the template");
    if (stop_here()) return;
    on_variables(declared, std::move(*values));
  });
}

void JobRunner::on_variables(const std::vector<fleet::TemplateVariable>& declared, std::vector<NamedValue> values) {
  if (!values.empty()) variables_ = std::move(values);
  std::string missing;
  for (const auto& variable : declared) {
    const auto value = std::ranges::find(variables_, variable.name, &NamedValue::name);
    if (value == variables_.end()) {
      if (variable.required) missing += (missing.empty() ? "" : ", ") + variable.name;
    } else {
      value->sensitive = value->sensitive || variable.sensitive;
    }
  }
  redactor_.add(variables_);
  if (!missing.empty())
    return fail("REQUIRED_TEMPLATE_VARIABLES", ErrorClass::user,
                "these variables of the template need values: " + missing);
  begin_plan(Stage::planning, Transition::start, "Detecting persistent resources");
}

void JobRunner::begin_plan(Stage stage, Transition transition, std::string name) {
  if (stop_here()) return;
  begin(stage, std::move(name));
  updates_.set_phase(JobPhase::plan);
  auto metadata = job_.metadata;
  metadata.hub_url = options_.hub_url;
  metadata.transition = transition;
  if (job_.type != JobType::workspace_build)
    metadata = placeholder_metadata(std::move(metadata), job_.requested_by, tools_.random);
  request(provisioner::Plan{.metadata = std::move(metadata),
                            .variables = variables_,
                            .parameters = parameters_,
                            .previous_parameters = job_.previous_parameters});
}

void JobRunner::on_planned(provisioner::PlanComplete result) {
  if (result.error) return fail(*result.error);
  redactor_.add(result.parameters);
  price(result.resources);
  redactor_.redact_in(result.resources);
  const bool second = stage_ == Stage::planning_stop;
  (second ? planned_stop_ : planned_) = std::move(result.resources);
  if (job_.type == JobType::template_import && !second) {
    if (stop_here()) return;
    return begin_plan(Stage::planning_stop, Transition::stop, "Detecting ephemeral resources");
  }
  if (job_.type == JobType::template_import) return finish_import();
  if (job_.type == JobType::template_dry_run)
    return complete(fleet::DryRunOutcome{.resources = planned_, .daily_cost = daily_cost(planned_)});
  if (stop_here()) return;
  if (job_.metadata.transition == Transition::destroy || daily_cost(planned_) == 0) return announce_apply();
  commit_quota();
}

void JobRunner::finish_import() {
  complete(fleet::ImportOutcome{.start_resources = planned_,
                                .stop_resources = planned_stop_,
                                .start_daily_cost = daily_cost(planned_),
                                .stop_daily_cost = daily_cost(planned_stop_)});
}

void JobRunner::price(std::vector<Resource>& resources) const {
  for (auto& resource : resources)
    if (resource.daily_cost == 0 && facts_.cost_of) resource.daily_cost = facts_.cost_of(resource).value_or(0);
}

void JobRunner::commit_quota() {
  begin(Stage::committing_quota, "Commit quota");
  updates_.set_phase(JobPhase::quota);
  quota_call_.start(
      [this](Reply<fleet::QuotaCommitted> reply) {
        tools_.hub.commit_quota(job_.id, {.fence = job_.fence, .daily_cost = daily_cost(planned_)}, std::move(reply));
      },
      [this](std::expected<fleet::QuotaCommitted, base::Error> answer) {
        if (!answer && job_is_lost(answer.error())) return on_lost(answer.error());
        if (stage_ != Stage::committing_quota) return;
        if (!answer) return fail(answer.error(), "the quota cannot be committed");
        on_quota(*answer);
      });
}

void JobRunner::on_quota(const fleet::QuotaCommitted& quota) {
  say(LogLevel::info, "Build cost: " + std::to_string(daily_cost(planned_)));
  say(LogLevel::info, "Budget: " + (quota.budget ? std::to_string(*quota.budget) : "no limit"));
  say(LogLevel::info, "Credits consumed: " + std::to_string(quota.consumed));
  if (quota.ok) return announce_apply();
  say(LogLevel::warn, "The build would exceed the budget: nothing was applied");
  fail("INSUFFICIENT_QUOTA", ErrorClass::quota,
       "the build costs " + std::to_string(daily_cost(planned_)) + " credits a day, " + std::to_string(quota.consumed) +
           " of " + std::to_string(quota.budget.value_or(0)) + " are consumed");
}

// The hub must know that an apply begins before it does: from then on the job is not simply begun anew elsewhere.
void JobRunner::announce_apply() {
  if (stop_here()) return;
  begin(Stage::announcing_apply, std::string(stage_of(job_.metadata.transition)));
  updates_.set_phase(JobPhase::apply);
  updates_.sync([this] {
    if (stop_here()) return;
    stage_ = Stage::applying;
    applied_ = true;
    request(provisioner::Apply{});
  });
}

// What is there afterwards says by itself only that it is there: what was done to it, the plan has told.
void JobRunner::tell_what_was_done(std::vector<Resource>& resources) const {
  for (auto& resource : resources) {
    const auto planned = std::ranges::find(planned_, resource.address, &Resource::address);
    if (resource.action == fleet::ResourceAction::none && planned != planned_.end()) resource.action = planned->action;
  }
}

void JobRunner::on_applied(provisioner::ApplyComplete result) {
  price(result.resources);
  tell_what_was_done(result.resources);
  redactor_.redact_in(result.resources);
  if (result.error) {
    left_ = std::move(result.resources);
    return fail(*result.error);
  }
  for (auto& [name, value] : result.outputs) redactor_.redact_in(value);
  complete(fleet::BuildOutcome{.resources = std::move(result.resources), .outputs = std::move(result.outputs)});
}

}  // namespace slipway::runner
