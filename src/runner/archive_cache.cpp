#include "runner/archive_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/unique_fd.h"
#include "fleet/blob.h"
#include "runner/file_digest.h"
#include "runner/on_worker.h"
#include "runner/work_folder.h"

namespace slipway::runner {

namespace fs = std::filesystem;

namespace {

// Fetched until it has the name that it deserves.
std::string unfinished(const std::string& kept) { return kept + ".part"; }

void take_away_unfinished(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (!fleet::is_blob_hash(entry.path().filename().string())) fs::remove_all(entry.path());
}

// Gives how many bytes are left. Others may take files away meanwhile.
std::uint64_t trim(const std::string& folder, std::uint64_t bytes_max) {
  struct File {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  std::uint64_t bytes = 0;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!fleet::is_blob_hash(entry.path().filename().string())) continue;
    const auto used = entry.last_write_time(failure);
    const auto size = failure ? 0 : entry.file_size(failure);
    if (failure) continue;
    files.push_back({used, size, entry.path()});
    bytes += size;
  }
  std::ranges::sort(files, {}, &File::used);
  for (const auto& file : files) {
    if (bytes <= bytes_max) break;
    fs::remove(file.path, failure);
    bytes -= file.bytes;
  }
  return bytes;
}

// On the disk before it has its name.
void finish(const std::string& kept) {
  const auto part = unfinished(kept);
  const base::UniqueFd file(::open(part.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fchmod(file.get(), 0600) != 0 || ::fsync(file.get()) != 0 || ::rename(part.c_str(), kept.c_str()) != 0)
    throw base::system_error("keeping " + kept, errno);
}

bool has_hash(const std::string& file, const std::string& hash) {
  try {
    return file_sha256_hex(file) == hash;
  } catch (const base::Error&) {
    return false;  // an unreadable disk is one kind of damage
  }
}

}  // namespace

ArchiveCache::ArchiveCache(base::EventLoop& loop, base::Workers& workers, HubLink& hub, ArchiveCacheOptions options,
                           observe::Logger logger, observe::Registry* metrics)
    : loop_(loop),
      workers_(workers),
      hub_(hub),
      options_(std::move(options)),
      logger_(std::move(logger)),
      metrics_(metrics) {
  make_private(options_.folder);
  take_away_unfinished(options_.folder);
  metrics_.set_archive_bytes(trim(options_.folder, options_.bytes_max));
}

void ArchiveCache::get(const std::string& hash, const std::string& file, Reply<void> reply) {
  Wish wish{file, std::move(reply)};
  // The hub's word becomes a file's name only if it is a hash.
  if (options_.bytes_max == 0 || !fleet::is_blob_hash(hash)) return fetch_past(hash, std::move(wish));
  if (coming_.contains(hash)) return fetch(hash, std::move(wish));
  run_on_worker(
      workers_, loop_, [kept = kept(hash), hash, file] { return take(kept, hash, file); },
      lifeline_.wrap([this, hash, wish = std::move(wish)](std::expected<Taken, base::Error> taken) mutable {
        if (taken == Taken::damaged) note_damage(hash);
        if (taken != Taken::yes) return fetch(hash, std::move(wish));
        metrics_.archive_taken("cache");
        wish.reply({});
      }));
}

ArchiveCache::Taken ArchiveCache::take(const std::string& kept, const std::string& hash, const std::string& file) {
  std::error_code failure;
  fs::remove(file, failure);  // of an earlier attempt
  fs::create_hard_link(kept, file, failure);
  if (failure && failure != std::errc::no_such_file_or_directory) fs::copy_file(kept, file, failure);
  if (failure) return Taken::missing;
  if (has_hash(file, hash)) {
    fs::last_write_time(kept, fs::file_time_type::clock::now(), failure);
    return Taken::yes;
  }
  fs::remove(kept, failure);
  fs::remove(file, failure);
  return Taken::damaged;
}

void ArchiveCache::note_damage(const std::string& hash) const {
  logger_.warning("a kept archive is damaged: fetching it again", {{"archive", hash}});
}

void ArchiveCache::fetch(const std::string& hash, Wish wish) {
  auto& wishes = coming_[hash];
  wishes.push_back(std::move(wish));
  if (wishes.size() > 1) return;
  hub_.get_blob(hash, unfinished(kept(hash)), lifeline_.wrap([this, hash](std::expected<void, base::Error> fetched) {
    if (fetched) return keep(hash);
    if (fetched.error().code() == "SYSTEM_ERROR") return make_room(hash, fetched.error());
    for (auto& each : wishes_for(hash)) each.reply(fetched);
  }));
}

void ArchiveCache::keep(const std::string& hash) {
  run_on_worker(
      workers_, loop_, [kept = kept(hash)] { finish(kept); },
      lifeline_.wrap([this, hash](std::expected<void, base::Error> finished) {
        if (!finished) return make_room(hash, finished.error());
        hand_out(hash);
      }));
}

// Before anything goes to make room: also what is greater than all the room is had by those who wait for it.
void ArchiveCache::hand_out(const std::string& hash) {
  auto wishes = wishes_for(hash);
  std::vector<std::string> files;
  for (const auto& wish : wishes) files.push_back(wish.file);
  struct Outcome {
    std::vector<Taken> taken;
    std::uint64_t bytes = 0;
  };
  run_on_worker(
      workers_, loop_,
      [kept = kept(hash), hash, files = std::move(files), options = options_] {
        Outcome outcome;
        for (const auto& file : files) outcome.taken.push_back(take(kept, hash, file));
        outcome.bytes = trim(options.folder, options.bytes_max);
        return outcome;
      },
      lifeline_.wrap([this, hash, wishes = std::move(wishes)](std::expected<Outcome, base::Error> outcome) mutable {
        if (outcome) metrics_.set_archive_bytes(outcome->bytes);
        for (std::size_t i = 0; i < wishes.size(); ++i) {
          if (!outcome || outcome->taken[i] != Taken::yes) {
            fetch_past(hash, std::move(wishes[i]));
            continue;
          }
          metrics_.archive_taken(i == 0 ? "hub" : "cache");
          wishes[i].reply({});
        }
      }));
}

// What can be fetched again gives way to what jobs need now.
void ArchiveCache::make_room(const std::string& hash, const base::Error& why) {
  logger_.warning("an archive cannot be kept: all that are kept make room",
                  {{"archive", hash}, {"message", why.message()}});
  run_on_worker(
      workers_, loop_,
      [folder = options_.folder, part = unfinished(kept(hash))] {
        fs::remove(part);
        return trim(folder, 0);
      },
      lifeline_.wrap([this, hash](std::expected<std::uint64_t, base::Error> bytes) {
        if (bytes) metrics_.set_archive_bytes(*bytes);
        for (auto& wish : wishes_for(hash)) fetch_past(hash, std::move(wish));
      }));
}

void ArchiveCache::fetch_past(const std::string& hash, Wish wish) {
  hub_.get_blob(hash, wish.file,
                lifeline_.wrap([this, reply = std::move(wish.reply)](std::expected<void, base::Error> fetched) mutable {
                  if (fetched) metrics_.archive_taken("hub");
                  reply(std::move(fetched));
                }));
}

std::vector<ArchiveCache::Wish> ArchiveCache::wishes_for(const std::string& hash) {
  auto wishes = std::move(coming_.at(hash));
  coming_.erase(hash);
  return wishes;
}

}  // namespace slipway::runner
