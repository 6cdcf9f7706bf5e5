/** The version of Chorus: the same as in package.json (a test of the command line holds the two equal). */
export const version = '0.1.0';
