// Apply: what is made must be in a state that the hub has, whatever ends it.

#include <mutex>

#include "provisioner/session_order.h"
#include "provisioner/terraform/session_files.h"
#include "provisioner/terraform/state_journal.h"
#include "provisioner/terraform/state_text.h"
#include "provisioner/terraform/terraform_facts.h"
#include "provisioner/terraform/terraform_session.h"

namespace slipway::provisioner::terraform {
namespace {

using fleet::LogLevel;

constexpr int kShowTries = 2;

// Work for the two threads of an apply: the command's lines and the journal's states.
class SharedWork final : public Work {
 public:
  explicit SharedWork(Work& work) : work_(work) {}
  std::stop_token cancelled() const override { return work_.cancelled(); }
  std::stop_token killed() const override { return work_.killed(); }
  void log(LogLevel level, std::string line) override {
    const std::lock_guard lock(mutex_);
    work_.log(level, std::move(line));
  }
  void state_written(std::string file) override {
    const std::lock_guard lock(mutex_);
    work_.state_written(std::move(file));
  }

 private:
  Work& work_;
  std::mutex mutex_;
};

}  // namespace

void TerraformSession::lock_state(Work& work) {
  if (backend_) patiently(work.cancelled(), [&] { backend_->lock(work.cancelled()); });
}

void TerraformSession::unlock_state(Work& work) {
  if (!backend_->is_locked()) return;
  try {
    patiently(work.killed(), [&] { backend_->unlock(work.killed()); });
  } catch (const base::Error& error) {
    work.log(LogLevel::warn, "The state could not be unlocked: " + error.message());
  }
}

void TerraformSession::adopt_errored_state(Work& work) {
  const auto errored = directory_ / kErroredState;
  if (!std::filesystem::exists(errored)) return;
  work.log(
      LogLevel::error,
      program_.name + " could not write its state where it belongs, and left it in errored.tfstate: taken from there");
  std::error_code failure;
  std::filesystem::rename(errored, own_ / kStateName, failure);
  if (failure) work.log(LogLevel::error, "errored.tfstate could not be moved: " + failure.message());
}

// `lost`: the hub takes no state any more, and so nothing more may be made.
TerraformSession::Ran TerraformSession::run_apply(Work& shared, ApplyComplete& complete,
                                                  std::optional<base::Error>& lost) {
  std::stop_source interrupt;
  const std::stop_callback on_cancel(shared.cancelled(), [&] { interrupt.request_stop(); });
  const auto state = own_ / kStateName;
  const auto keep = [&](std::string_view text, std::stop_token stop) {
    if (backend_) return backend_->put(text, std::move(stop));
    write_private_file(own_ / kJournalName, text);
    shared.state_written(own_ / kJournalName);
  };
  const auto on_lost = [&](const base::Error& error) {
    shared.log(LogLevel::error, error.message());
    lost = error;
    interrupt.request_stop();
  };
  // Under the same lock again: a hub that has lost our daemon gives us time as long as we say so.
  const auto alive = [&](std::stop_token stop) {
    try {
      if (backend_) backend_->lock(std::move(stop));
    } catch (const base::Error&) {  // the next state will tell
    }
  };
  StateJournal journal(state, {.keep = keep,
                               .tell = [&](std::string line) { shared.log(LogLevel::warn, std::move(line)); },
                               .alive = alive,
                               .lost = on_lost});
  auto ran = run({"apply", "-json", "-input=false", "-no-color", std::string(kOwnFolder) + "/" + kPlanName}, shared,
                 interrupt.get_token());
  adopt_errored_state(shared);
  if (backend_) complete.state_in_backend = journal.finish(options_.last_state_bound, shared.killed());
  if (!complete.state_in_backend) hand_on_file(shared, complete);
  return ran;
}

// A state that was cut off must not take the place of the whole one that was journalled before it.
void TerraformSession::hand_on_file(Work& work, ApplyComplete& complete) {
  const auto file = own_ / kStateName;
  std::string state;
  try {
    state = read_whole_file(file);
  } catch (const base::Error& error) {
    work.log(LogLevel::error, "The last state cannot be read: the one before is kept");
    complete.error = to_problem(error);
    return;
  }
  if (is_whole_state(state)) {
    complete.state_file = file;
    if (backend_ && !work.killed().stop_requested())
      work.log(LogLevel::error, "The last state is not at the hub: the daemon keeps it and tries again");
  } else if (backend_ || !is_blank_state(state)) {
    work.log(LogLevel::error,
             program_.name + " was cut off while it wrote its state, or the state is gone: the one before is kept");
    complete.error = Problem{.code = "STATE_CUT_OFF",
                             .error_class = base::ErrorClass::internal,
                             .message = program_.name + " has left no whole state: what it made last may be in none"};
  }
}

// What was made is made, even where it cannot be shown (RUN-13): then as it was planned.
void TerraformSession::describe_state(Work& work, ApplyComplete& complete) {
  for (int tries = kShowTries; !work.killed().stop_requested();) {
    try {
      auto facts = facts_of_state(ask({"show", "-json", "-no-color"}, work));
      complete.resources = std::move(facts.resources);
      complete.outputs = std::move(facts.outputs);
      return;
    } catch (const base::Error& error) {
      if (--tries > 0) continue;
      work.log(LogLevel::warn,
               "What is there now cannot be shown, so it is given as it was planned: " + error.message());
      break;
    }
  }
  if (complete.error) return;
  for (auto resource : planned_) {
    if (resource.action == fleet::ResourceAction::destroy || resource.action == fleet::ResourceAction::read) continue;
    resource.action = fleet::ResourceAction::none;
    complete.resources.push_back(std::move(resource));
  }
}

ApplyComplete TerraformSession::apply(Work& work) {
  ApplyComplete complete;
  if (nothing_to_do_) {
    work.log(LogLevel::info, "The state is empty, there is nothing to do");
    return complete;
  }
  if (work.cancelled().stop_requested()) throw cancelled_error();
  lock_state(work);
  SharedWork shared(work);
  std::filesystem::remove(directory_ / kErroredState);
  std::optional<base::Error> lost;
  const auto ran = run_apply(shared, complete, lost);
  if (lost) {
    complete.error = to_problem(*lost);
  } else if (!ran.outcome.ok()) {
    complete.error = to_problem(failure(ran, "apply", {.killed = base::ErrorClass::internal}));
  }
  if (!work.killed().stop_requested()) describe_state(work, complete);
  // Who finds it unlocked begins anew from the state that is at the hub: it must be the last one. A lock that is kept
  // ends with the job.
  if (complete.state_in_backend) unlock_state(work);
  return complete;
}

}  // namespace slipway::provisioner::terraform
