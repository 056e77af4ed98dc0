#include "provisioner/terraform/state_journal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "base/digest.h"
#include "provisioner/terraform/session_files.h"
#include "provisioner/terraform/state_text.h"

namespace slipway::provisioner::terraform {
namespace {

using std::chrono::milliseconds;

// Terraform writes in place and in pieces, several resources in a row: what comes within this time is kept as one.
constexpr milliseconds kGather{100};
constexpr milliseconds kAliveEvery{15'000};  // several times in the hub's patience
constexpr milliseconds kFirstBackOff{250};
constexpr milliseconds kLastBackOff{5'000};

// Comes back when a descriptor has something to say, or after the time: false.
bool wait_for(std::span<pollfd> descriptors, milliseconds most) {
  return ::poll(descriptors.data(), descriptors.size(), int(most.count())) > 0;
}

// Whether the file of that name was written, by what inotify has to tell; all of it is taken.
bool tells_of_writing(int inotify, std::string_view name) {
  alignas(inotify_event) std::array<char, 4096> buffer;
  bool written = false;
  for (ssize_t got; (got = ::read(inotify, buffer.data(), buffer.size())) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      const bool is_writing = (event->mask & (IN_MODIFY | IN_MOVED_TO)) != 0;
      written = written || (is_writing && event->len > 0 && name == static_cast<const char*>(event->name));
      at += ssize_t(sizeof(inotify_event)) + event->len;
    }
  }
  return written;
}

}  // namespace

StateJournal::StateJournal(std::filesystem::path file, JournalHooks hooks)
    : file_(std::move(file)),
      hooks_(std::move(hooks)),
      watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // The folder, because the file may not be there yet.
  if (!watch_ || !wake_ ||
      ::inotify_add_watch(watch_.get(), file_.parent_path().c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
    throw base::system_error("watch the state's folder", errno);
  const auto known = read_whole_file(file_);
  has_held_ = !is_blank_state(known);
  kept_ = base::sha256_hex(known);
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

StateJournal::~StateJournal() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

// That the file was written is known even where it is gone before it could be read.
void StateJournal::take_events() {
  if (tells_of_writing(watch_.get(), file_.filename().native())) has_held_ = true;
}

// Half a state, or nothing where there was one, which the file holds while it is written, is passed over: the one
// before waits on.
void StateJournal::read_newest() {
  auto state = read_whole_file(file_);
  has_held_ = has_held_ || !is_blank_state(state);
  is_cut_ = has_held_ && !is_whole_state(state);
  if (has_held_ && !is_cut_) waiting_ = std::move(state);
}

// False: to be tried again.
bool StateJournal::keep_newest(std::stop_token stop) {
  if (is_lost_) return true;
  try {
    read_newest();
    if (!waiting_) return true;
    auto digest = base::sha256_hex(*waiting_);
    if (digest != kept_) hooks_.keep(*waiting_, stop);
    kept_ = std::move(digest);
    waiting_.reset();
    if (std::exchange(failing_, false)) hooks_.tell("The state is journalled again");
    return true;
  } catch (const base::Error& error) {
    if (stop.stop_requested()) return false;
    if (error.error_class() != base::ErrorClass::transient && error.error_class() != base::ErrorClass::throttled) {
      is_lost_ = true;
      hooks_.lost(error);
      return true;
    }
    if (!std::exchange(failing_, true))
      hooks_.tell("The state cannot be journalled at present, and will be tried again: " + error.message());
    return false;
  }
}

void StateJournal::run(std::stop_token stop) {
  std::array<pollfd, 2> both{pollfd{wake_.get(), POLLIN, 0}, pollfd{watch_.get(), POLLIN, 0}};
  const std::span only_wake(both.data(), 1);
  milliseconds back_off = kFirstBackOff;
  bool done = true;
  while (!stop.stop_requested()) {
    if (done) {
      const bool has_news = wait_for(both, kAliveEvery);
      if (stop.stop_requested()) break;
      if (!has_news && hooks_.alive && !is_lost_) hooks_.alive(stop);
      if (!has_news) continue;
      wait_for(only_wake, kGather);
    } else {
      wait_for(only_wake, back_off);
    }
    if (stop.stop_requested()) break;
    take_events();
    done = keep_newest(stop);
    back_off = done ? kFirstBackOff : std::min(back_off * 2, kLastBackOff);
  }
}

bool StateJournal::finish(milliseconds bound, std::stop_token killed) {
  // What the thread is about to send is at best what we send now.
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
  eventfd_t rings = 0;
  ::eventfd_read(wake_.get(), &rings);
  take_events();

  const std::stop_callback on_kill(killed, [this] {
    const std::uint64_t once = 1;
    [[maybe_unused]] const auto rung = ::write(wake_.get(), &once, sizeof once);
  });
  std::array<pollfd, 1> wake{pollfd{wake_.get(), POLLIN, 0}};
  const auto until = std::chrono::steady_clock::now() + bound;
  milliseconds back_off = kFirstBackOff;
  while (!keep_newest(killed)) {
    if (killed.stop_requested() || std::chrono::steady_clock::now() + back_off > until) return false;
    wait_for(wake, back_off);
    back_off = std::min(back_off * 2, kLastBackOff);
  }
  return !is_lost_ && !is_cut_;
}

}  // namespace slipway::provisioner::terraform
