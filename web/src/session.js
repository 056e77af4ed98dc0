// Who is signed in. The key lives in sessionStorage: it ends with the tab and is never written to disk by us.

const kStorageName = "slipway-key";

export class Session {
  /** Why the last key was refused, to be shown at sign-in. */
  error = null;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }
  get key() {
    return sessionStorage.getItem(kStorageName);
  }
  signIn(key) {
    this.error = null;
    sessionStorage.setItem(kStorageName, key);
    this.#onChange();
  }
  signOut() {
    this.error = null;
    sessionStorage.removeItem(kStorageName);
    this.#onChange();
  }
  /** The hub answered 401. */
  refused(error) {
    if (!this.key) return;
    sessionStorage.removeItem(kStorageName);
    this.error = error;
    this.#onChange();
  }

  /**
   * The hub prints a link `/#key=slk_…`. The key is taken out of the address and the history before anything else
   * happens. True when there was one.
   */
  takeKeyFromAddress() {
    const match = /^#key=([^&]+)$/.exec(location.hash);
    if (!match) return false;
    history.replaceState(null, "", location.pathname + "#/workspaces");
    sessionStorage.setItem(kStorageName, decodeURIComponent(match[1]));
    this.error = null;
    return true;
  }
}
