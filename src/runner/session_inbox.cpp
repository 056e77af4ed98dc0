#include "runner/session_inbox.h"

#include <filesystem>

namespace slipway::runner {

using provisioner::ApplyComplete;
using provisioner::Message;
using provisioner::StateWritten;

provisioner::SessionEvents SessionInbox::events() {
  return {.on_message = [self = shared_from_this()](Message message) { self->put(self->take(std::move(message))); },
          .on_closed =
              [self = shared_from_this()](std::optional<base::Error> error) {
                self->put({.what = Closed{std::move(error)}, .at = self->clock_.now()});
              }};
}

SessionInbox::Item SessionInbox::take(Message message) {
  try {
    if (auto* written = std::get_if<StateWritten>(&message)) written->file = copy_of(written->file);
    if (auto* applied = std::get_if<ApplyComplete>(&message); applied && !applied->state_file.empty())
      applied->state_file = copy_of(applied->state_file);
  } catch (const std::filesystem::filesystem_error& error) {
    // The last one may stay where it is: nothing is written after it.
    std::error_code failure;
    const auto* applied = std::get_if<ApplyComplete>(&message);
    if (!applied || !std::filesystem::is_regular_file(applied->state_file, failure))
      return {.what = StateMissed{base::Error(
                  base::ErrorClass::internal, "STATE_NOT_COPIED",
                  std::string("the provisioner's state cannot be copied: ") + error.code().message())},
              .at = clock_.now()};
  }
  return {.what = std::move(message), .at = clock_.now()};
}

std::string SessionInbox::copy_of(const std::string& file) {
  const auto copy = states_ + "/state." + std::to_string(++copies_);
  std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
  return copy;
}

void SessionInbox::put(Item item) {
  const std::lock_guard lock(mutex_);
  if (is_state(item)) ++states_said_;
  if (std::holds_alternative<StateMissed>(item.what)) state_missed_ = true;
  items_.push_back(std::move(item));
  apply_pause();
  if (std::exchange(turn_planned_, true)) return;
  loop_.post([self = shared_from_this()] { self->hand_over(); });
}

void SessionInbox::attach(provisioner::Session& session, Handlers handlers) {
  handlers_ = std::move(handlers);
  const std::lock_guard lock(mutex_);
  session_ = &session;
  apply_pause();
}

void SessionInbox::detach() {
  {
    const std::lock_guard lock(mutex_);
    session_ = nullptr;
  }
  handlers_ = {};
}

void SessionInbox::pause(bool paused) {
  const std::lock_guard lock(mutex_);
  wanted_pause_ = paused;
  apply_pause();
}

void SessionInbox::states_kept() {
  const std::lock_guard lock(mutex_);
  states_kept_ = states_handed_;
  apply_pause();
}

void SessionInbox::let_go() {
  const std::lock_guard lock(mutex_);
  wanted_pause_ = false;
  let_go_ = true;
  apply_pause();
}

bool SessionInbox::is_state(const Item& item) {
  const auto* message = std::get_if<Message>(&item.what);
  return message && std::holds_alternative<StateWritten>(*message);
}

void SessionInbox::apply_pause() {
  const bool unkept = !let_go_ && (state_missed_ || states_kept_ < states_said_);
  const bool pause = wanted_pause_ || unkept || items_.size() >= kMessagesMax;
  if (!session_ || pause == paused_) return;
  paused_ = pause;
  session_->pause(pause);
}

void SessionInbox::hand_over() {
  for (std::size_t i = 0; i < kTurn; ++i) {
    Item item;
    {
      const std::lock_guard lock(mutex_);
      if (items_.empty()) {
        turn_planned_ = false;
        return;
      }
      item = std::move(items_.front());
      items_.pop_front();
      if (is_state(item)) ++states_handed_;
      apply_pause();
    }
    hand_over(std::move(item));
  }
  loop_.post([self = shared_from_this()] { self->hand_over(); });
}

// A handler may detach.
void SessionInbox::hand_over(Item item) {
  const auto handlers = handlers_;
  if (auto* message = std::get_if<Message>(&item.what)) {
    if (handlers.on_message) handlers.on_message(std::move(*message), item.at);
  } else if (auto* missed = std::get_if<StateMissed>(&item.what)) {
    if (handlers.on_state_missed) handlers.on_state_missed(std::move(missed->error));
  } else if (handlers.on_closed) {
    handlers.on_closed(std::move(std::get<Closed>(item.what).error));
  }
}

}  // namespace slipway::runner
