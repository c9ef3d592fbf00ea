/**
 * Imports what the tests import from JSR: if this can be loaded, so can they.
 *
 * @module
 */

import "@std/assert";
import "@std/async";
import "@std/path";
