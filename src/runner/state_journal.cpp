#include "runner/state_journal.h"

#include <filesystem>

#include "runner/file_digest.h"
#include "runner/on_worker.h"

namespace slipway::runner {

StateJournal::StateJournal(base::EventLoop& loop, base::Workers& workers, const base::Clock& clock,
                           base::Random& random, HubLink& hub, std::string job, std::int64_t fence, Events events)
    : loop_(loop),
      workers_(workers),
      hub_(hub),
      job_(std::move(job)),
      fence_(fence),
      events_(std::move(events)),
      // Not beside each other: an older state that comes late would take the place of a newer one.
      call_(loop, clock, random, base::Duration(0)) {}

void StateJournal::written(std::string file) {
  const auto earlier = std::exchange(newest_, std::move(file));
  waiting_ = newest_;
  if (earlier != putting_) discard(earlier);
  if (!call_.under_way()) put();
}

void StateJournal::discard(const std::string& file) const {
  std::error_code gone;
  if (!file.empty() && file != newest_) std::filesystem::remove(file, gone);
}

void StateJournal::put_again() {
  digest_.reset();
  if (!newest_.empty()) written(std::string(newest_));
}

void StateJournal::put() {
  refused_.reset();
  putting_ = std::exchange(waiting_, {});
  call_.start([this](Reply<std::string> reply) { bring(std::move(reply)); },
              [this](std::expected<std::string, base::Error> answer) {
                discard(std::exchange(putting_, {}));
                if (!answer && job_is_lost(answer.error())) {
                  stop();
                  return events_.on_lost(answer.error());
                }
                digest_.reset();
                if (answer)
                  digest_ = std::move(*answer);
                else
                  refused_ = std::move(answer.error());
                if (!waiting_.empty()) return put();
                refused_ ? events_.on_refused(*refused_) : events_.on_kept();
                finish();
              });
}

void StateJournal::bring(Reply<std::string> reply) {
  if (!digest_) return hub_.put_state(job_, fence_, putting_, std::move(reply));
  run_on_worker(
      workers_, loop_, [file = putting_] { return file_sha256_hex(file); },
      lifeline_.wrap(
          [this, file = putting_, reply = std::move(reply)](std::expected<std::string, base::Error> digest) mutable {
            if (!call_.under_way() || file != putting_) return;  // stopped meanwhile
            if (digest && *digest == digest_) return reply(std::move(digest));
            hub_.put_state(job_, fence_, file, std::move(reply));
          }));
}

void StateJournal::settle(Reply<std::optional<std::string>> then) {
  then_ = std::move(then);
  if (!call_.under_way()) finish();
}

void StateJournal::finish() {
  auto then = std::exchange(then_, nullptr);
  if (!then) return;
  if (refused_)
    then(std::unexpected(*refused_));
  else
    then(digest_);
}

void StateJournal::stop() {
  call_.stop();
  waiting_.clear();
  then_ = nullptr;
}

}  // namespace slipway::runner
