/**
 * The library that checks data from outside. Everything takes it from here, plugins of third parties too, so that all
 * have the same version and a change of library touches this file first.
 *
 * It is named by its full specifier, not by the import map, so that this folder can be imported from any project.
 *
 * @module
 */

export { z } from "npm:zod@4.6.7";
