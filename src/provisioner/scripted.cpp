#include "provisioner/scripted.h"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "provisioner/blocking_session.h"
#include "provisioner/script.h"
#include "provisioner/script_world.h"
#include "provisioner/session_order.h"

namespace slipway::provisioner {
namespace {

using fleet::ResourceAction;
using fleet::Transition;

constexpr std::int64_t kStormMax = 10'000'000;
constexpr std::int64_t kCountMax = 10'000;
constexpr auto kFilePoll = std::chrono::milliseconds(20);  // neither a file nor its lock can be awaited beside a token

void really_wait(base::Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, duration, [] { return false; });
}

struct Change {
  ResourceAction action = ResourceAction::none;
  ScriptThing thing;  // as it will be; of a destroyed one as it is
};

template <class T>
const T& or_empty(const std::optional<T>& value) {
  static const T empty{};
  return value ? *value : empty;
}

const std::vector<ScriptStep>& steps_of(const std::optional<ScriptSteps>& steps, Transition transition) {
  if (!steps) return or_empty<std::vector<ScriptStep>>(std::nullopt);
  return or_empty(transition == Transition::start  ? steps->start
                  : transition == Transition::stop ? steps->stop
                                                   : steps->destroy);
}

class ScriptedWork final : public SessionWork {
 public:
  explicit ScriptedWork(std::shared_ptr<const ScriptedOptions> options) : options_(std::move(options)) {}

  void configure(const Config& config) override;
  ParseComplete parse(Work& work) override;
  PlanComplete plan(const Plan& plan, Work& work) override;
  ApplyComplete apply(Work& work) override;

 private:
  void perform(const std::vector<ScriptStep>& steps, Work& work);
  void perform(const ScriptStep& step, Work& work);
  void wait(base::Duration duration, Work& work);
  void check_cancelled(Work& work) const;
  std::vector<ScriptThing> wanted_things() const;
  void plan_changes();
  void enter(Work& work);
  void announce(Work& work);
  void make(std::int64_t count, Work& work);
  void keep_state(Work& work);

  const std::shared_ptr<const ScriptedOptions> options_;
  Script script_;
  std::string state_file_;
  ScriptState state_;
  std::optional<Plan> plan_;
  std::optional<ScriptValues> values_;
  std::deque<Change> changes_;  // that are still to be made
  std::optional<ScriptWorld> world_;
  bool ignores_cancel_ = false;
  bool applying_ = false;
};

void ScriptedWork::configure(const Config& config) {
  script_ = read_script(config.directory);
  state_ = read_script_state(config.state_file);
  state_file_ = config.directory + "/scripted.state.json";
}

void ScriptedWork::check_cancelled(Work& work) const {
  const auto& token = ignores_cancel_ ? work.killed() : work.cancelled();
  if (token.stop_requested()) throw cancelled_error();
}

void ScriptedWork::wait(base::Duration duration, Work& work) {
  const auto token = ignores_cancel_ ? work.killed() : work.cancelled();
  options_->wait ? options_->wait(duration, token) : really_wait(duration, token);
  check_cancelled(work);
}

ParseComplete ScriptedWork::parse(Work& work) {
  values_.emplace(Script{}, Plan{});
  perform(or_empty(script_.parse), work);
  ParseComplete complete;
  for (const auto& variable : or_empty(script_.variables))
    complete.parsed.variables.push_back(
        {.name = variable.name,
         .type = variable.type.value_or("string"),
         .description = variable.description.value_or(""),
         .default_value = variable.default_value.transform([](const std::string& text) { return json::print(text); }),
         .required = !variable.default_value,
         .sensitive = variable.sensitive.value_or(false)});
  return complete;
}

PlanComplete ScriptedWork::plan(const Plan& plan, Work& work) {
  plan_ = plan;
  values_.emplace(script_, plan);
  perform(steps_of(script_.plan, plan.metadata.transition), work);
  check_cancelled(work);
  plan_changes();
  PlanComplete complete;
  for (const auto& change : changes_) complete.resources.push_back(to_resource(change.thing, change.action));
  return complete;
}

ApplyComplete ScriptedWork::apply(Work& work) {
  ApplyComplete complete;
  applying_ = true;
  try {
    world_.emplace(values_->expand(or_empty(script_.world)));
    enter(work);
    announce(work);
    perform(steps_of(script_.apply, plan_->metadata.transition), work);
    make(kCountMax, work);
    complete.outputs = values_->expand(or_empty(script_.outputs));
  } catch (const SessionBroken&) {
    throw;
  } catch (const std::exception&) {
    complete.error = to_problem(base::as_error(std::current_exception()));
  }
  applying_ = false;
  world_.reset();
  for (const auto& [address, thing] : state_.things)
    complete.resources.push_back(to_resource(thing, ResourceAction::none));
  write_script_state(state_, state_file_);
  complete.state_file = state_file_;
  return complete;
}

void ScriptedWork::perform(const std::vector<ScriptStep>& steps, Work& work) {
  for (const auto& step : steps) {
    if (step.when) {
      const std::string holds = values_->expand(*step.when);
      if (holds.empty() || holds == "0" || holds == "false") continue;
    }
    perform(step, work);
  }
}

void ScriptedWork::perform(const ScriptStep& step, Work& work) {
  if (step.ignore_cancel) ignores_cancel_ = *step.ignore_cancel;
  check_cancelled(work);
  const auto level = step.level.value_or(fleet::LogLevel::info);
  if (step.log) work.log(level, values_->expand(*step.log));
  const std::int64_t lines = step.storm ? values_->number(*step.storm, kStormMax) : 0;
  for (std::int64_t i = 1; i <= lines; ++i) {
    work.log(level, "line " + std::to_string(i) + " of " + std::to_string(lines));
    check_cancelled(work);
  }
  if (step.delay) {
    const auto duration = base::parse_duration(values_->expand(*step.delay));
    if (!duration) throw script_invalid("'" + *step.delay + "' is no duration, such as 250ms or 3s");
    wait(*duration, work);
  }
  if (step.until)
    for (const auto file = values_->expand(*step.until); !std::filesystem::exists(file);) wait(kFilePoll, work);
  if (step.make && applying_) make(values_->number(*step.make, kCountMax), work);
  if (step.note && applying_) {
    state_.note = values_->expand(*step.note);
    keep_state(work);
  }
  while (step.hang.value_or(false)) wait(std::chrono::hours(1), work);
  if (step.die.value_or(false)) {
    if (options_->die) options_->die();
    throw SessionBroken{base::Error(base::ErrorClass::internal, "PROVISIONER_DIED", "the script said: die")};
  }
  if (step.error)
    throw base::Error(step.error->error_class.value_or(base::ErrorClass::user),
                      step.error->code.value_or("PROVISIONER_FAILED"),
                      values_->expand(step.error->message.value_or("the script said so")));
}

std::vector<ScriptThing> ScriptedWork::wanted_things() const {
  std::vector<ScriptThing> things;
  const auto transition = plan_->metadata.transition;
  for (const auto& resource : or_empty(script_.resources)) {
    const auto on = resource.on.value_or(std::vector{Transition::start, Transition::stop});
    if (transition == Transition::destroy || std::ranges::find(on, transition) == on.end()) continue;
    const std::int64_t count = resource.count ? values_->number(*resource.count, kCountMax) : 1;
    for (std::int64_t i = 0; i < count; ++i) {
      auto values = *values_;
      values.set("index", std::to_string(i));
      ScriptThing thing{.address = resource.type + '.' + resource.name,
                        .type = resource.type,
                        .name = resource.name,
                        .daily_cost = resource.daily_cost.value_or(0),
                        .attributes = values.expand(or_empty(resource.attributes))};
      if (resource.count) thing.address += '[' + std::to_string(i) + ']';
      thing.id = script_thing_id(plan_->metadata.workspace_id, thing.address);
      things.push_back(std::move(thing));
    }
  }
  return things;
}

void ScriptedWork::plan_changes() {
  changes_.clear();
  auto rest = state_.things;
  for (auto& wanted : wanted_things()) {
    const auto there = rest.find(wanted.address);
    auto action = ResourceAction::create;
    if (there != rest.end() && there->second.made) {
      wanted.made = true;
      action = there->second.attributes == wanted.attributes ? ResourceAction::none : ResourceAction::update;
    }
    if (there != rest.end()) rest.erase(there);
    changes_.push_back({.action = action, .thing = std::move(wanted)});
  }
  for (auto& [address, thing] : rest)
    changes_.push_back({.action = ResourceAction::destroy, .thing = std::move(thing)});
}

void ScriptedWork::keep_state(Work& work) {
  ++state_.serial;
  write_script_state(state_, state_file_);
  work.state_written(state_file_);
}

// Two applies of one workspace at once are what a hub must never let happen; tests look for it in the journal.
void ScriptedWork::enter(Work& work) {
  const auto& metadata = plan_->metadata;
  if (world_->try_enter(metadata.workspace_id)) return;
  world_->record("overlap", metadata.workspace_id, metadata.build_id);
  work.log(fleet::LogLevel::warn, "another apply of this workspace is under way: waiting for its end");
  while (!world_->try_enter(metadata.workspace_id)) wait(kFilePoll, work);
}

// Before anything is made: whoever finds this state later knows what may be there.
void ScriptedWork::announce(Work& work) {
  bool any = false;
  for (const auto& change : changes_) {
    if (change.action != ResourceAction::create) continue;
    any = true;
    state_.things[change.thing.address] = change.thing;
  }
  if (!any) return;
  keep_state(work);
  // Where nobody was left to keep it, it was not kept.
  check_cancelled(work);
}

void ScriptedWork::make(std::int64_t count, Work& work) {
  for (; count > 0 && !changes_.empty(); changes_.pop_front()) {
    auto& [action, thing] = changes_.front();
    if (action == ResourceAction::none) continue;
    check_cancelled(work);
    --count;
    const auto& build = plan_->metadata.build_id;
    if (action == ResourceAction::destroy) {
      world_->destroy(thing, build);
      state_.things.erase(thing.address);
    } else {
      world_->make(thing, build);
      thing.made = true;
      state_.things[thing.address] = thing;
    }
    work.log(fleet::LogLevel::info, thing.address + ": " + boost::describe::enum_to_string(action, "") + " done");
    keep_state(work);
  }
}

}  // namespace

ScriptedProvisioner::ScriptedProvisioner(ScriptedOptions options)
    : options_(std::make_shared<const ScriptedOptions>(std::move(options))) {}

std::unique_ptr<Session> ScriptedProvisioner::open(SessionEvents events) {
  return std::make_unique<BlockingSession>(
      Hello{.provisioner = std::string(kScriptedType), .version = "1", .repeatable = true},
      [options = options_] { return std::make_unique<ScriptedWork>(options); }, std::move(events));
}

}  // namespace slipway::provisioner
