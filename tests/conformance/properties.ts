/**
 * The library of properties and generators that the suites use. It is named by its full specifier, not by the import
 * map, so that the suites can be imported from any project.
 *
 * @module
 */

export { default as fc } from "npm:fast-check@4.10.2";
