#include "runner/testing/simulated_backend.h"

namespace slipway::runner::testing {

using base::Duration;
using std::chrono::seconds;

namespace {

constexpr Duration kAliveEvery{15'000};  // as Terraform's sessions say it

}  // namespace

bool SimulatedBackend::reaches_hub() const {
  return !is_cut_() && !hub_.is_down() && !world_.chance(hub_.faults.request_lost);
}

void SimulatedBackend::until_heard(std::function<void()> what, std::function<void()> then) {
  world_.at(world_.now() + hub_.travel(), [self = shared_from_this(), what, then] {
    if (self->stopped_) return;
    bool heard = self->reaches_hub(), lost = false;
    try {
      if (heard) what();
    } catch (const base::Error&) {
      lost = true;
    }
    heard = heard && !self->world_.chance(self->hub_.faults.answer_lost);
    self->world_.at(self->world_.now() + (heard ? self->hub_.travel() : seconds(1)), [self, what, then, heard, lost] {
      if (self->stopped_) return;
      if (!heard) return self->until_heard(what, then);
      if (lost && !std::exchange(self->lost_, true)) self->on_lost_();
      then();
    });
  });
}

void SimulatedBackend::lock(std::function<void()> then) {
  until_heard([this] { hub_.lock_state(job_, fence_); },
              [this, then] {
                locked_ = !lost_;
                keep_alive();
                then();
              });
}

// A hub that has lost our daemon gives us time as long as we say so.
void SimulatedBackend::keep_alive() {
  world_.at(world_.now() + kAliveEvery, [self = shared_from_this()] {
    if (self->stopped_ || self->lost_ || !self->locked_) return;
    try {
      if (self->reaches_hub()) self->hub_.lock_state(self->job_, self->fence_);
    } catch (const base::Error&) {  // the next state will tell
    }
    self->keep_alive();
  });
}

void SimulatedBackend::write(std::string state) {
  newest_ = std::move(state);
  waits_ = true;
  if (!writing_) write_newest();
}

void SimulatedBackend::write_newest() {
  waits_ = false;
  writing_ = true;
  until_heard([this, state = newest_] { hub_.write_state(job_, fence_, state); },
              [this] {
                writing_ = false;
                if (waits_ && !lost_) return write_newest();
                if (then_) unlock();
              });
}

void SimulatedBackend::let_go(std::function<void()> then) {
  then_ = std::move(then);
  if (!writing_) unlock();
}

void SimulatedBackend::unlock() {
  if (lost_) return std::exchange(then_, nullptr)();
  locked_ = false;
  until_heard([this] { hub_.unlock_state(job_, fence_); }, std::exchange(then_, nullptr));
}

}  // namespace slipway::runner::testing
