/**
 * Reading a command line, as getopt_long(3) does: `-s TERM`, `-sTERM`, `--signal TERM`,
 * `--signal=TERM`, letters together, `--` before what is no option.
 *
 * Not by node:util, which takes some 10 ms to load.
 *
 * @module
 */

import { nearest } from "../pidfd/nearest.ts";
import { type Command, HELP, HelpWanted, type Option, UsageError } from "./command.ts";

/** What a command line says. */
export class Given {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  /** All arguments that are no options. */
  readonly positionals: readonly string[];

  constructor(values: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  /** Whether an option is there. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value of an option, the last one if it is there several times. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** All values of an option. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

/** Reads the command line of a command. */
export function parse(
  args: readonly string[],
  { options, runsAnother = false }: Pick<Command, "options" | "runsAnother">,
): Given {
  const known = [...options, HELP];
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  const add = ({ name }: Option, value: string) => {
    const given = values.get(name);
    if (given) given.push(value);
    else values.set(name, [value]);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const isLong = arg.startsWith("--");
    if (arg === "--" || arg === "-" || !arg.startsWith("-")) {
      if (arg !== "--" && !runsAnother) {
        positionals.push(arg);
        continue;
      }
      positionals.push(...args.slice(arg === "--" ? i + 1 : i));
      break;
    }
    let rest = isLong ? arg.slice(2) : arg.slice(1);
    while (rest !== "") {
      const [option, attached, behind] = isLong ? longOption(rest, known) : letter(rest, known);
      rest = behind;
      const label = isLong ? `--${option.name}` : `-${option.short}`;
      if (option.value === undefined) {
        if (attached !== undefined) throw new UsageError(`${label} takes no value: ${attached}`);
        add(option, "");
      } else if (attached !== undefined) {
        add(option, attached);
        rest = "";
      } else if (option.isOptional) {
        add(option, "");
      } else {
        i++;
        if (i >= args.length || args[i] === "--") {
          throw new UsageError(`'${label}' needs a value, ${option.value}`);
        }
        add(option, args[i]);
        rest = "";
      }
    }
  }
  if (values.has(HELP.name)) throw new HelpWanted();
  return new Given(values, positionals);
}

/** An option, the value that is attached to it, and what is still to be read. */
type Found = readonly [option: Option, value: string | undefined, rest: string];

function longOption(text: string, known: readonly Option[]): Found {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const option = known.find((option) => option.name === name);
  if (option) return [option, equals < 0 ? undefined : text.slice(equals + 1), ""];
  const near = nearest(name, known.map(({ name }) => name));
  const advice = near === undefined ? "" : `: did you mean --${near}?`;
  throw new UsageError(`unknown option '--${name}'${advice}`);
}

function letter(text: string, known: readonly Option[]): Found {
  const short = [...text][0];
  const option = known.find((option) => option.short === short);
  if (!option) throw new UsageError(`unknown option '-${short}'`);
  const rest = text.slice(short.length);
  const takesRest = option.value !== undefined && !option.isOptional && rest !== "";
  return [option, takesRest ? rest : undefined, takesRest ? "" : rest];
}

/** Refuses arguments where there are to be none. */
export function refuseArguments({ positionals }: Given): void {
  if (positionals.length > 0) throw new UsageError(`it takes no argument: ${positionals[0]}`);
}
